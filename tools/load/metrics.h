// A run's figures in the text format 0.0.4 that Prometheus reads
// (prometheus.io/docs/instrumenting/exposition_formats).
//
// What it is: counters of what became of the window's requests, histograms of their times, and
// gauges of how the run stands. Values of a histogram are in the buckets of `le` that hold all that
// shares a count with them, which is to 3 digits.
#pragma once

#include <eddy/core/histogram.h>

#include <string>

#include "load/observer.h"
#include "load/options.h"
#include "load/record.h"

namespace eddy::load {

struct Metrics {
  // Of the window.
  Requests requests;
  uint64_t bytes_received = 0;
  Histogram response;
  Histogram service;
  Histogram lag;
  // Now.
  Moment moment;
  double target_rate = 0;  // requests a second; 0: a closed loop
  double cpu_seconds = 0;  // of this process
};

std::string text_of(const Metrics& metrics, const LoadOptions& options);

}  // namespace eddy::load
