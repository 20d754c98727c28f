"""Every metric, label and flag by its real name, and how they are written out."""
