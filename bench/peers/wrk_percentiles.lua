-- wrk prints the percentiles of its latencies, in microseconds, one a line.
local percents = { 0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99, 99.995,
                   99.998, 99.999 }

function done(summary, latency, requests)
  for _, percent in ipairs(percents) do
    io.write(string.format('percentile %g %d\n', percent, latency:percentile(percent)))
  end
  io.write(string.format('percentile 100 %d\n', latency.max))
end
