"""The stand-in for the official release, and what it takes to run it in a test."""
