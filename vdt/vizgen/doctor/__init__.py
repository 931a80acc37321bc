"""`vdt doctor`: is this computer, with this configuration, fit for a transfer?"""
