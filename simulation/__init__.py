"""The whole app in one process against both services, on virtual time, with people, chance and trouble from a seed.

Shows what no list of cases can: that whatever people do at once, and whatever befalls services, network, storage and
workers meanwhile, both sides agree in the end or an item says why not. Not shipped.
"""
