"""What students get: made from the author's side of an assignment, never edited by hand."""
