"""Measurements that documents quote; each prints how it was taken. None is timed in the test suite."""
