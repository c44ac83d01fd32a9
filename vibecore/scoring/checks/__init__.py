"""The checks: functions from an answer and arguments to a verdict, one file a kind."""
