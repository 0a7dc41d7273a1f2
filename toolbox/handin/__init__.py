"""Handing in: packing the files that an assignment names, and looking at them as grading will.

files      reading what lies in the folder, and what may be wrong with a module
notebook   what may be wrong with the notebook
model      what may be wrong with a saved model
archive    the zip file
clean      a folder that holds nothing but what was packed
watched    running the checks there, in a process of their own that may get stuck
worker     that process
"""
