ByJöõˆÇoû
A¦è	C&G\Cöa¬CöÄG