BlogitsJ4¡>;Äu¿F?h
•¿