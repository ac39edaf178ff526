"""The yardstick: how good, how fast, against whom. One command per question, each writing a result file.

lafunc eval bfcl         accuracy on the Berkeley Function-Calling Leaderboard, and what went wrong
lafunc eval rows         held-out rows of the training data's form: to choose by, without looking at a benchmark
lafunc eval latency      time by mode, growth of cost, other libraries on the same weights
lafunc eval retention    chat and think mode against the bare base, text by text
lafunc eval overlap      training rows that meet an evaluation row
lafunc eval report       all result files as one page with plots
"""
