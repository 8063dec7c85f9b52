-- Written by mattermost-host; changes by hand are undone at the next run.
-- Holds a new connection until the database has a leader, for at most 30 s.

local function has_leader()
  for _, server in pairs(core.backends["leader"].servers) do
    if string.sub(server:get_stats()["status"], 1, 2) == "UP" then
      return true
    end
  end
  return false
end

core.register_action("wait_for_leader", { "tcp-req" }, function(_)
  local waited_ms = 0
  while not has_leader() and waited_ms < 30000 do
    core.msleep(100)
    waited_ms = waited_ms + 100
  end
end)
