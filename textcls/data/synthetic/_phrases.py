"""The phrases of the embedded corpus, as plain data; whoever edits them raises synthetic.VERSION.

A {slot} is a word list, a name, a number (`synthetic_words`) or a phrase from further up. A slot
that may hold an anchor never follows a bare "a", whatever its first letter is.
"""

Phrases = tuple[tuple[str, tuple[str, ...]], ...]

# Phrases without an anchor.
PHRASES: Phrases = (
    ("person", ("{given} {surname}", "{given} {surname}", "{surname}")),
    ("firm", ("{company} {suffix}", "{company}", "{company}")),
    ("place", ("{city}", "{city}", "the {place_kind} of {city}")),
    (
        "when",
        (
            "on {day}",
            "on {day}",
            "late {day}",
            "this week",
            "in {month}",
            "on {month} {date}",
            "last week",
            "yesterday",
            "for the first time in {small} {unit}s",
            "after {small} {unit}s of waiting",
            "early on {day}",
            "{small} {unit}s ago",
        ),
    ),
    (
        "source",
        (
            "{person} {said} {when}",
            "{person} of {firm} {said}",
            "a {person_role} {said} {when}",
            "his {person_role} {said}",
            "one {person_role} at {firm} {said}",
            "{person}, her {adjective} {person_role}, {said}",
            "it was {said} {when}",
        ),
    ),
    ("credit", ("{source}", "{source}", "according to {person}", "as {firm} {said}")),
    (
        "amount",
        ("{percent} percent", "${percent} billion", "${count} million", "{crowd} people"),
    ),
    (
        "gossip",
        (
            "the {noun} was {adverb} {adjective}",
            "it is too soon to talk about {lean} or {lean}",
            "this {lean} will not be the last {lean} of its kind",
            "there was no {adjective} {lean} in sight",
            "they had not seen any {lean}",
            "{adjective} {lean} and {adjective} {lean} go hand in hand",
            "{amount} would be enough for the {lean}",
            "it will be up to the {lean} to decide",
            "he did not know what the {lean} was for",
            "she would have more to say on {lean} and {lean} {when}",
            "his {lean} has {adverb} {did} us",
            "we were {adverb} {did} by the {lean}",
            "you can have the {lean} or the {lean} but not both",
        ),
    ),
    (
        "title filler",
        (
            "{place} waits for a {adjective} {lean}",
            "{person} and the {adjective} {lean}",
            "What {lean} means to {city}",
            "{firm} to cut {lean} by {percent} percent",
            "{lean} {noun} {did} {city}",
            "{adjective} {lean} in {city} ({agency})",
            "{day} in brief: {lean} and {lean}",
            "No {lean} for {person}",
            "{person}, {date}, and her {lean}",
            "{person_role} {said}: '{lean} is {adjective}'",
            "{city} {did} by {adjective} {lean}",
        ),
    ),
    (
        "dateline",
        (
            "{city} ({agency}) - ",
            "{agency} - ",
            "{city} - ",
            "",
            "",
            "",
            "{city}, {month} {date} - ",
            "{city} : ",
        ),
    ),
    (
        "body filler",
        (
            "{source} that {gossip}",
            '"{gossip}," {credit}',
            "this {lean} {did} {person}, who is from {place}",
            "{city}'s {lean} is its {adjective} one in {small} {unit}s, and {gossip}",
            "it has been a {adjective} {lean} for all, with {person} at its heart",
            "{person} has been in {lean} and {lean} since {year} and will be there {when}",
            "nobody in {lean} could say why {person}'s {noun} {did} so many",
            "that is {amount} more than in {year}, with the {lean} still to come",
            "a {noun} in {city} was closed {when} - {adjective} {lean} or not",
            "{gossip}, but {gossip}",
            "a {adjective} {lean} is to be held in {city} {when}; {gossip}",
            "{firm}'s {lean} is now worth {amount}, up from {amount} in {year}",
            "in {place}, as many as {crowd} people came to see the {lean} {noun}",
            "{firm} and {firm} are to have a {adjective} {lean}",
            "{person} (born {month} {date}, {year}) once {said} as much about {lean}",
            "with {small} {unit}s to go, {gossip}",
            "{firm}, {person} and the {lean} {noun} were {did} as well",
            "no {person_role} from {city} or {city} was at the {lean}",
            "{lean}, {noun} and {lean}: {person} had {adverb} {did} them all",
            "if {gossip}, {person} will have to find another {lean} or {lean}",
        ),
    ),
)
# Phrases about a topic: a clause holds two anchors of it, a mention one.
TOPIC_PHRASES: Phrases = (
    ("actor", ("{actors}",)),
    (
        "title clause",
        (
            "{adjective} {actors} {verbs} {objects}",
            "{actors} {person} {verbs} {adjective} {objects}",
            "{city} {actors} {verbs} {objects}",
            "{objects}: {city} {actors} {verbs} it",
            "{adjective} {objects} for {city} {actors}",
            "{actors} {verbs} {objects} ({agency})",
            "{objects} {did} {adjective} {actors}",
        ),
    ),
    (
        "title mention",
        (
            "{city} and its {adjective} {objects}",
            "{person} on {adjective} {objects}",
            "{adjective} {objects} {did} {city}",
            "{noun} in {city}, and a {adjective} {objects}",
            "{objects} {noun} {did} {firm} ({agency})",
        ),
    ),
    (
        "body clause",
        (
            "the {adjective} {actors} {person} {verbs} the {objects} {when}",
            "a {adjective} {actors} from {place} {verbs} a {adjective} {objects} {when}",
            "{person}, a {adjective} {actors}, {verbs} the {objects}",
            "the {actors} {verbs} another {objects}, {credit}",
            "a {adjective} {objects} {adverb} {did} one {actors} {when}",
            "{source} that her {actors} {verbs} the {objects} in {city}",
            "one {actors} in {small} {verbs} the {objects} in {year}",
            "the {objects} was {adjective} for {actors} {person}",
        ),
    ),
    (
        "body mention",
        (
            "after a {noun} about the {objects}",
            "in the shadow of a {adjective} {objects}",
            "despite the {objects} in {city}",
            "with another {objects} {adverb} in the news",
            "as {place} looked to the {objects}",
            "amid talk of {objects} and {noun}",
        ),
    ),
)
# A pair holds an actor of each of two classes. Names and adjectives stand between the two and after
# them, so that no word next to an actor tells which of the two came first.
PAIR_PHRASES: Phrases = (
    (
        "title pair",
        (
            "{adjective} {actor} {surname} {met} {adjective} {other} {surname}",
            "{city} {actor} {surname} and {city} {other} {surname}: a {noun}",
            "{noun} for {adjective} {actor} {surname} and {adjective} {other} {surname}",
        ),
    ),
    (
        "body pair",
        (
            "the {adjective} {actor} {person} {met} the {adjective} {other} {person} {when}",
            "in {place}, the {actor} {person} {met} the {other} {person}",
            "the {adjective} {actor} {person} was {did} by the {adjective} {other} {person}",
            "a {adjective} {actor} from {city} {met} a {adjective} {other} from {city}",
            "{source} that a {adjective} {actor} from {city} {did} "
            "a {adjective} {other} from {city}",
        ),
    ),
)
