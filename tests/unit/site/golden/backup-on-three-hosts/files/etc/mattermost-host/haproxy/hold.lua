-- Written by mattermost-host; changes by hand are undone at the next run.
-- Holds a new connection until the database has a leader, for at most 30 s.

-- HAProxy takes a server that it has not checked yet for one that leads.
local function has_leader()
  local found = false
  for _, server in pairs(core.backends["leader"].servers) do
    local now = server:get_stats()
    if string.find(now["check_status"], "INI", 1, true) then
      return false
    end
    found = found or string.sub(now["status"], 1, 2) == "UP"
  end
  return found
end

core.register_action("wait_for_leader", { "tcp-req" }, function(_)
  local waited_ms = 0
  while not has_leader() and waited_ms < 30000 do
    core.msleep(100)
    waited_ms = waited_ms + 100
  end
end)
