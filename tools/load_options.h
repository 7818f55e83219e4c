// The arguments of `eddy load`.
#pragma once

#include <CLI/App.hpp>
#include <string>

#include "load/http_request.h"
#include "load/options.h"
#include "load/outputs.h"
#include "load/tls_options.h"
#include "load_arrivals.h"
#include "load_search.h"

namespace eddy::tools {

// What the command line says, beside what a run is told.
struct LoadArguments : load::LoadOptions {
  ArrivalArguments arrivals;
  load::HttpRequest request;
  load::TlsRequest tls_request;
  load::OutputFiles files;
  std::string store_mix = "get";
  std::string script_file;
  std::string profile_file;
  bool quiet = false;
  std::string prometheus;  // an address; empty: not wanted
  SearchFlags search;
  bool duration_given = false;
};

void describe_load(CLI::App& command, LoadArguments& arguments);

}  // namespace eddy::tools
