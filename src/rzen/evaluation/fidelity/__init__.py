"""Does an encoder give the vectors that were published for its model, and if not, why?"""
