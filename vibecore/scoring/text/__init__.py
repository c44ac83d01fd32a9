"""Reading a text: words, code, final answers, patterns, JSON Schema, language."""
