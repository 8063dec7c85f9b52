"""scripts/try-on: the whole way of a site on somebody's own host, with a report for an issue."""
