"""`./dev demo`: a story told in the terminal, played through a whole local world.

`chapters` is the story, `stage` what it is played on, `page` how it looks, `bill` what it cost. Nothing is told that
was not seen: each sentence with a tick is a condition, and the story ends where one does not come true.
"""
