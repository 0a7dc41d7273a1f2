"""The grader: releases assignments, runs submissions as untrusted code, records scores."""
