"""What every room uses: errors, paths, file formats, records, this machine."""
