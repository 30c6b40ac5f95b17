"""The texts of what owners agree to, in each language; paragraphs are parted by an empty line.

They stand here and not among the translations, because a receipt keeps the fingerprint of the very words that were
read. A changed word is a new version, in every language at once; receipts name version, language and fingerprint.
"""

ENGLISH = "en"
VERSIONS = {"data_use": "2026-11", "grid_participation": "2026-11"}

# language -> purpose -> (title, body)
TEXTS: dict[str, dict[str, tuple[str, str]]] = {
    "en": {
        "data_use": (
            "Read my car's charge, plug and home state",
            (
                "ChargeScape asks your car's maker, a few times an hour, for four things: how full the battery is, "
                "whether the car is plugged in, whether it is charging (and its energy meter, where it has one), "
                "and whether it is at the home you told us.\n\n"
                "We use them to plan your charging, to show you what happened, and to work out what you earned. "
                'Your position is only compared with your home: when the car is somewhere else we keep "not at '
                'home", and never where.\n\n'
                "We do not read trips, speed or driving style, and we do not sell your data. Your utility receives "
                "what a car delivered under a number that means nothing elsewhere, without your name or the car's "
                "identification number.\n\n"
                "You can take this back at any time. We then stop reading your car at once, and it charges as if we "
                "were not there. Records of energy and money that were already earned are kept as long as tax law "
                "asks."
            ),
        ),
        "grid_participation": (
            "Let the grid steer my car's charging",
            (
                "While your car is plugged in at home, ChargeScape may move its charging to hours when power is "
                "cheap or clean, and pause it when your utility asks for help. If you also switch on giving energy "
                "back (V2G) for a car whose charger and agreement allow it, we may send energy from its battery to "
                "the grid, never below the reserve that you set.\n\n"
                "Your departure comes first: the car is ready at your time with the charge you asked for, as far as "
                'the time at the plug allows. "Charge now" and "skip tonight" always win over the grid, and you may '
                "leave out any event without giving a reason and without a penalty.\n\n"
                "Every pause ends by itself or is ended by us within minutes, even if our systems fail. Charging at "
                "other hours does not wear the battery more; giving energy back adds some wear, which is why it is "
                "off until you switch it on.\n\n"
                "You are paid for what was measured, by the program's published rate, and every payment shows how "
                "it was worked out. You can take this back at any time: the car then charges at once whenever it is "
                "plugged in, and money already earned stays yours."
            ),
        ),
    },
    "fr-ca": {
        "data_use": (
            "Lire l’état de charge, de branchement et de présence à la maison de mon véhicule",
            (
                "ChargeScape demande au constructeur de votre véhicule, quelques fois par heure, quatre choses : le "
                "niveau de la batterie, si le véhicule est branché, s’il se recharge (et son compteur d’énergie, "
                "s’il en a un), et s’il se trouve à la maison que vous nous avez indiquée.\n\n"
                "Nous nous en servons pour planifier votre recharge, vous montrer ce qui s’est passé et calculer ce "
                "que vous avez gagné. Votre position est seulement comparée à celle de votre maison : quand le "
                "véhicule est ailleurs, nous notons « pas à la maison », jamais l’endroit.\n\n"
                "Nous ne lisons ni les trajets, ni la vitesse, ni le style de conduite, et nous ne vendons pas vos "
                "données. Votre distributeur d’électricité reçoit ce qu’un véhicule a fourni sous un numéro qui ne "
                "veut rien dire ailleurs, sans votre nom ni le numéro d’identification du véhicule.\n\n"
                "Vous pouvez retirer votre accord en tout temps. Nous cessons alors aussitôt de lire votre véhicule, "
                "et il se recharge comme si nous n’étions pas là. Les relevés d’énergie et d’argent déjà gagnés "
                "sont conservés aussi longtemps que la loi fiscale l’exige."
            ),
        ),
        "grid_participation": (
            "Laisser le réseau piloter la recharge de mon véhicule",
            (
                "Pendant que votre véhicule est branché à la maison, ChargeScape peut déplacer sa recharge vers les "
                "heures où l’électricité est bon marché ou propre, et la mettre en pause quand votre distributeur "
                "d’électricité demande de l’aide. Si, en plus, vous activez la restitution d’énergie (V2G) pour un "
                "véhicule dont la borne et l’entente le permettent, nous pouvons envoyer de l’énergie de sa batterie "
                "au réseau, jamais sous la réserve que vous avez fixée.\n\n"
                "Votre départ passe en premier : le véhicule est prêt à votre heure avec la charge demandée, dans "
                "la mesure où le temps de branchement le permet. « Recharger maintenant » et « Pas ce soir » "
                "l’emportent toujours sur le réseau, et vous pouvez passer votre tour à tout événement sans donner "
                "de raison et sans pénalité.\n\n"
                "Chaque pause se termine d’elle-même ou est levée par nous en quelques minutes, même si nos "
                "systèmes tombent en panne. Recharger à d’autres heures n’use pas davantage la batterie ; restituer "
                "de l’énergie l’use un peu, et c’est pourquoi cela reste désactivé jusqu’à ce que vous l’activiez.\n\n"
                "Vous êtes payé pour ce qui a été mesuré, au tarif publié du programme, et chaque paiement montre "
                "comment il a été calculé. Vous pouvez retirer votre accord en tout temps : le véhicule se recharge "
                "alors dès qu’il est branché, et l’argent déjà gagné reste à vous."
            ),
        ),
    },
    "es": {
        "data_use": (
            "Leer la carga, la conexión y la presencia en casa de mi auto",
            (
                "ChargeScape le pregunta al fabricante de tu auto, unas pocas veces por hora, cuatro cosas: qué tan "
                "llena está la batería, si el auto está enchufado, si está cargando (y su medidor de energía, si lo "
                "tiene) y si está en la casa que nos indicaste.\n\n"
                "Usamos estos datos para planificar tu carga, para mostrarte lo que pasó y para calcular lo que "
                "ganaste. Tu posición solo se compara con la de tu casa: cuando el auto está en otro lugar, "
                'guardamos "no está en casa" y nunca dónde.\n\n'
                "No leemos viajes, velocidad ni estilo de manejo, y no vendemos tus datos. Tu compañía eléctrica "
                "recibe lo que entregó un auto bajo un número que no significa nada en otro lugar, sin tu nombre ni "
                "el número de identificación del auto.\n\n"
                "Puedes retirar este permiso en cualquier momento. Entonces dejamos de leer tu auto de inmediato y "
                "carga como si no estuviéramos. Los registros de energía y de dinero ya ganado se conservan el "
                "tiempo que exige la ley fiscal."
            ),
        ),
        "grid_participation": (
            "Dejar que la red eléctrica dirija la carga de mi auto",
            (
                "Mientras tu auto está enchufado en casa, ChargeScape puede mover su carga a las horas en que la "
                "electricidad es barata o limpia, y pausarla cuando tu compañía eléctrica pide ayuda. Si además "
                "activas la descarga hacia la red (V2G) en un auto cuyo cargador y contrato lo permiten, podemos "
                "enviar energía de su batería a la red eléctrica, nunca por debajo de la reserva que fijaste.\n\n"
                "Tu salida va primero: el auto está listo a tu hora con la carga que pediste, hasta donde lo "
                'permite el tiempo que está enchufado. "Cargar ahora" y "saltar esta noche" siempre tienen '
                "prioridad sobre la red, y puedes omitir cualquier evento sin dar razones y sin penalización.\n\n"
                "Cada pausa termina por sí sola o la terminamos nosotros en minutos, incluso si fallan nuestros "
                "sistemas. Cargar a otras horas no desgasta más la batería; la descarga hacia la red la desgasta un "
                "poco, y por eso está apagada hasta que la actives.\n\n"
                "Te pagamos por lo que se midió, según la tarifa publicada del programa, y cada pago muestra cómo "
                "se calculó. Puedes retirar este permiso en cualquier momento: entonces el auto carga en cuanto se "
                "enchufa, y el dinero ya ganado sigue siendo tuyo."
            ),
        ),
    },
}
