"""What runs while somebody looks on: the playground, and runs launched in the background."""
