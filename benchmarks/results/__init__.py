"""The figures of docs/RESULTS.md, one module per assignment, beside what published reports give."""
