"""Charts: a table in, an Altair chart out. Nothing here reads a database or shows a widget."""
