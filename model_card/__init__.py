"""The model repository on the Hub: its card, from result files, and all that is sent.

lafunc card    README.md, plots and .eval_results of a checkpoint
lafunc push    a checkpoint with its card and results, as one commit
"""
