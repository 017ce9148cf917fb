"""The local board: a page with technicians' calendars beside the schedule board, live, and the journal below.

For whoever wants to see in a minute what the product does, and for developers who look for a bug. It acts as people do,
over the services' wire formats, and reads the app's own journal; it can do nothing that a technician, a dispatcher or
the switchboard cannot. Read in this order: `sides`, `comparing`, `people`, `story`, `troubles`, `server`.
"""
