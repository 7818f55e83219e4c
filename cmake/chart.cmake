# Sets EDDY_CHART_JS, the file of Chart.js that becomes a part of the program: it draws the plots of `eddy load --html`.
# Without it the program is built, and refuses that option.

find_file(EDDY_CHART_JS NAMES chart.min.js chart.umd.js PATHS /usr/share/javascript PATH_SUFFIXES chart.js
  DOC "Chart.js 3 or 4, minified")
mark_as_advanced(EDDY_CHART_JS)

if(NOT EDDY_CHART_JS)
  message(STATUS "eddy: no Chart.js (Debian: libjs-chart.js), so eddy load has no --html")
endif()
