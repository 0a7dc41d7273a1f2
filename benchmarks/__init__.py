"""Measurements that documents quote; each prints how it was taken. Never part of the test suite."""
