"""How the input of a network is normalized; apart from what else is done to clips, and light."""

MEAN, STANDARD_DEVIATION = 0.45, 0.225  # of all channels alike, the convention for Kinetics
