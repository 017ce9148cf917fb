"""`./dev demo`: a story told in the terminal, played through a whole local world.

`setting_up`, `from_outlook` and `from_dynamics` are the story, `stage` what it is played on, `page` how it looks, and
`bill` what it cost. Nothing is told that was not seen: each sentence with a tick is a condition, and the story ends
where one does not come true.
"""
