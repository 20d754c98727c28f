"""The life of a container, however it is run: started, probed, restarted, stopped."""
