"""The webhook listener: SMSBat tells of a message's end before a poll would have found it (contract section 4)."""
