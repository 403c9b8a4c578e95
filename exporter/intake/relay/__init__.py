"""Forwards sends to SMSBat and tracks what it accepts; answers status calls from what is known."""
