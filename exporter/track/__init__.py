"""Waits for messages from the shell; imports nothing by itself, because every command's parser imports its flags."""
