"""What the pages share: cached reading, the study picker, and two components of our own."""
