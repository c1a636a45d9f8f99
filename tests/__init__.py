"""Tests, named after behaviours; they mirror the packages."""
