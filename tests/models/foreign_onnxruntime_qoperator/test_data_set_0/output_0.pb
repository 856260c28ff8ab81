
BlogitsJ(æLH¿i?@°P=?ûX¡ÀD“?æØÂ?“¢@ˆn&À,EÍÀŽA…¿