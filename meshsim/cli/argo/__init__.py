"""The verbs of Argo's kubectl plugin: same words, same output, same patches."""
