"""Tables as pages show them: cells with a figure, a note and a value to sort by."""
