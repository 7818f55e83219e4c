-- wrk sends as many requests at once as its one argument says: wrk … URL -- 16
local text

function init(arguments)
  local requests = {}
  for i = 1, tonumber(arguments[1]) do requests[i] = wrk.format() end
  text = table.concat(requests)
end

function request() return text end
