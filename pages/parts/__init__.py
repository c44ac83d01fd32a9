"""What the pages share: cached reading, the study picker, forms, and our own components."""
