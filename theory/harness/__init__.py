"""What runs claims: discovery, runner, cache, archive, options, report. It knows no setting."""
