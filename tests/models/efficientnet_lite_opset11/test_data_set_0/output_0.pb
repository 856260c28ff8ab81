
B	Softmax:0J(˜cl=%Y9b¶W:x‚m?²‘H7d><t	å:“{™5X7¾°E9