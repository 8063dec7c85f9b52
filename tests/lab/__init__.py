"""Real hosts with systemd on this machine, to test on and to try things out."""
