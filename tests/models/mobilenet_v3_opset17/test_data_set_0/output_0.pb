
BlogitsJ(ø]¿9‰¾nÀ/¾l†¹¾Oò©½	¾ªl>yÉ>Vh*¿hMð½