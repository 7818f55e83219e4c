// The page of `--html`: a result as one file that a browser opens without a network.
//
// What it is: the JSON object of a result (json_report.h) as data, and the script that draws it
// (report.js), with Chart.js for the plots. The script shows what the object has: a search's curve
// (`search`), a mix's kinds, the figures of `workers` or `ranks`. All of it is in the program.
#pragma once

#include <string>
#include <string_view>

namespace eddy::load {

// False where there was no Chart.js when the program was built.
bool has_html_report();

// Nothing in the object can end the element that it is in, so it may quote anybody's bytes.
std::string html_report(std::string_view json);

}  // namespace eddy::load
