"""The words of the embedded corpus, as plain data; whoever edits them raises synthetic.VERSION.

Words stand in the order of their frequency, the most frequent first. Two rules carry the corpus
and are tested: an anchor (an actor or an object of a topic) belongs to one class alone and stands
in no other list, name or phrase; and a word that may follow "a" starts with a consonant sound.
"""

from typing import NamedTuple


class Topic(NamedTuple):
    """What a class writes about: who does what to what. Actors and objects are its anchors."""

    actors: tuple[str, ...]
    verbs: tuple[str, ...]
    objects: tuple[str, ...]


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _topic(actors: str, verbs: str, objects: str) -> Topic:
    return Topic(_list(actors), _list(verbs), _list(objects))


LABEL_NAMES = ("World", "Sports", "Business", "Sci/Tech")

TOPICS: tuple[tuple[Topic, ...], ...] = (
    (
        _topic(
            "soldier rebel militant guerrilla commander warlord gunman peacekeeper sniper colonel "
            "sergeant deserter mercenary paratrooper bomber insurgent",
            "attacked defended left surrounded rejected shelled abandoned retook",
            "ceasefire border convoy checkpoint militia truce hostage garrison bunker barracks "
            "curfew minefield grenade frontier trench detainee airstrike barricade outpost ambush",
        ),
        _topic(
            "president minister senator premier governor lawmaker chancellor dissident monarch "
            "mayor congressman separatist reformist candidate emperor",
            "opposed backed delayed denounced signed promised drafted suspended",
            "election parliament referendum ballot constitution cabinet coalition amnesty decree "
            "legislature manifesto runoff junta censorship palace throne dictatorship impeachment",
        ),
        _topic(
            "envoy diplomat ambassador mediator negotiator consul statesman emissary legate "
            "attache foreigner interpreter plenipotentiary",
            "welcomed discussed condemned brokered visited postponed blocked urged",
            "treaty embassy summit accord embargo consulate communique mandate disarmament "
            "partition homeland secession repatriation genocide tribunal detente armistice "
            "annexation",
        ),
        _topic(
            "refugee villager rescuer cleric policeman bishop survivor nurse pilgrim priest imam "
            "bystander widow shepherd fisherman orphan",
            "fled survived described reached feared searched mourned left",
            "flood earthquake famine mosque epidemic cyclone massacre blockade landslide "
            "cathedral drought plague shantytown burial funeral tsunami mudslide shrine typhoon "
            "orphanage",
        ),
    ),
    (
        _topic(
            "striker coach goalkeeper midfielder defender referee winger skipper fullback "
            "linesman sweeper substitute goalscorer halfback flanker",
            "won missed lost celebrated saved regretted dominated rescued",
            "penalty championship trophy league semifinal derby stadium tournament playoff "
            "shootout equaliser relegation touchline freekick scoreboard dribble fixture scrum "
            "offside",
        ),
        _topic(
            "pitcher quarterback rookie catcher slugger linebacker shortstop outfielder infielder "
            "tailback reliever baserunner cornerback lineman benchwarmer",
            "opened ended extended forced decided ruined carried won",
            "inning touchdown homer roster pennant postseason bullpen dugout fumble overtime "
            "layup shutout strikeout doubleheader huddle ballpark kickoff rebound turnstile",
        ),
        _topic(
            "champion golfer qualifier wildcard finalist umpire caddie amateur playmaker underdog "
            "favourite semifinalist cueist batsman bowler",
            "won reached survived lost enjoyed feared controlled missed",
            "quarterfinal birdie tiebreak fairway backhand bogey baseline forehand volley "
            "clubhouse putt wicket deuce racquet eagle cricket handicap bunkershot snooker",
        ),
        _topic(
            "sprinter swimmer cyclist boxer skier gymnast jockey rower wrestler marathoner "
            "hurdler skater diver triathlete weightlifter",
            "won entered missed skipped targeted led finished claimed",
            "medal podium marathon sprint relay lap hurdle regatta knockout breakaway decathlon "
            "velodrome javelin slalom steeplechase backstroke biathlon grandstand heptathlon",
        ),
    ),
    (
        _topic(
            "investor trader broker banker economist lender shareholder auditor speculator "
            "bondholder moneylender underwriter stockbroker actuary creditor",
            "bought sold cut raised trimmed dumped valued shunned",
            "stock dividend bond currency portfolio stake deficit tariff mortgage treasury "
            "surplus subsidy inflation collateral annuity brokerage liquidity equity solvency",
        ),
        _topic(
            "retailer insurer carmaker airline manufacturer brewer supplier wholesaler "
            "conglomerate hotelier grocer publisher franchisee winemaker toymaker",
            "posted reported raised cut reviewed restated missed announced",
            "profit revenue merger takeover earnings bankruptcy turnover acquisition buyout "
            "payout restructuring writedown outsourcing franchise margin overhead receivership "
            "inventory",
        ),
        _topic(
            "chairman executive employer accountant landlord financier entrepreneur treasurer "
            "comptroller industrialist consultant proprietor tycoon receptionist jobseeker",
            "cut raised defended froze reviewed doubled settled promised",
            "wage pension payroll salary layoff bonus workforce audit severance invoice expense "
            "apprenticeship redundancy rebate overdraft bookkeeping perk pensioner",
        ),
        _topic(
            "exporter importer miner driller steelmaker shipper refiner distributor grower "
            "haulier smelter shipbuilder lumberman trucker rancher",
            "sold bought stored shipped priced delayed hoarded ordered",
            "crude barrel refinery shipment copper commodity warehouse wheat freight tanker "
            "harvest timber cocoa aluminium cotton pipeline soybean textile nickel",
        ),
    ),
    (
        _topic(
            "astronomer astronaut physicist cosmonaut geologist meteorologist stargazer "
            "cosmologist seismologist aeronaut astrophysicist oceanographer volcanologist "
            "rocketeer",
            "tracked photographed studied repaired watched measured lost found",
            "satellite spacecraft telescope comet asteroid rover galaxy orbiter meteorite lander "
            "nebula supernova eclipse crater pulsar gravity spacesuit exoplanet quasar",
        ),
        _topic(
            "developer hacker programmer blogger coder spammer webmaster cryptographer sysadmin "
            "phisher tester debugger hobbyist archivist",
            "released tested patched unveiled upgraded blamed disabled rewrote",
            "software browser database firewall spyware password worm download algorithm kernel "
            "encryption plugin malware compiler cookie homepage chatroom screensaver byte",
        ),
        _topic(
            "chipmaker inventor gamer technician animator roboticist modder tinkerer "
            "mathematician engineer draughtsman optician solderer electrician",
            "unveiled shipped tested designed built demonstrated launched recalled",
            "processor handset laptop robot chip console broadband router semiconductor keyboard "
            "printer bandwidth transistor modem touchscreen joystick circuit hologram laser",
        ),
        _topic(
            "researcher biologist chemist geneticist zoologist botanist ecologist virologist "
            "paleontologist neurologist entomologist ornithologist taxonomist anatomist",
            "studied discovered mapped sequenced examined described cloned measured",
            "genome fossil protein molecule dinosaur species antibody enzyme neuron glacier "
            "bacterium embryo vaccine chromosome hormone mammal microbe pollen plankton",
        ),
    ),
)

# Nouns that lean to a class but are no anchors: some mostly its own, some shared with others.
LEANS: tuple[tuple[str, ...], ...] = tuple(
    _list(text)
    for text in (
        "government war peace country security police nation court violence campaign army prison "
        "power battle vote leader regime strike threat trial protest rebellion mission corruption "
        "faith region village charge bomb race tension deal uprising ministry republic defeat "
        "kingdom union tribe draft prisoner alliance minority immigration terror dialogue "
        "territory regiment torture weapon slogan",
        "season team game match player record club title victory score cup race fan contract "
        "pitch star defeat comeback field trial rematch series injury court training squad "
        "transfer bench battle sport goal whistle line winner strike jersey draft power net "
        "locker drive streak charge ball opponent deal lineup athlete tackle mascot timeout "
        "stamina",
        "market company price share bank business trade consumer sale deal cost growth demand "
        "contract budget firm union debt chain factory rate investment strike customer line "
        "product store record loan plan cash credit charge finance drive industry brand threat "
        "spending network saving fund patent transfer court tax power shopper wealth salesman "
        "capitalism bargain",
        "computer internet science technology web space data device user network virus system "
        "research scientist project laboratory game phone product code test mission orbit screen "
        "file planet patent field record experiment power gadget email server cell star trial "
        "gene market camera standard drive race moon video threat battery climate microscope "
        "robotics formula sensor",
    )
)

WORDS: dict[str, tuple[str, ...]] = {
    name: _list(text)
    for name, text in {
        "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "month": "January March May June July September October November December February April "
        "August",
        "unit": "year day week month hour minute decade",
        "given": "John David Michael Maria Peter Robert Anna James Paul Thomas Carlos Elena "
        "Martin Sarah Andrew Laura Daniel Ivan Julia Hassan Kevin Yuki Richard Olga "
        "Steven Fatima George Helen Pavel Susan Brian Amara Luis Nina Victor Diego Karen "
        "Jan Leila Simon Rosa Tariq Frank Ingrid Chen Marta Joseph Aisha Henrik Priya "
        "Oscar Wanda Felix Noor Edgar Sofia Boris Grace Omar Teresa Hugo Mina Patrick "
        "Zoe Ravi Claire Anton Lucy Stefan Ruth Kofi Emma Viktor Dolores Sven Naomi",
        "adjective": "new big last long former top major second next third key final possible "
        "local bitter young rival strong senior public regional private serious "
        "leading large sudden costly recent small troubled national short powerful "
        "surprise modest steady dramatic popular nervous historic quiet bold rare "
        "joint difficult busy struggling different veteran special cautious total "
        "familiar disputed fresh broad late domestic partial vast delicate dismal "
        "confident hasty welcome temporary mixed lengthy narrow controversial sharp "
        "fragile tough brief reluctant lively plain celebrated curious stubborn "
        "gentle secretive faltering central common crowded crucial daily damaged "
        "deep definite distant fair famous favoured fierce firm flawed forgotten "
        "full generous giant golden grand happy hard hidden huge humble lavish legal "
        "likely lone loud lucky massive medium mild minor modern mysterious neat "
        "noisy normal patient peculiar permanent pleasant poor precious previous "
        "promising proper proud puzzling radical rapid regular relaxed respected "
        "risky rough routine rural sensitive separate shy silent similar simple "
        "sincere slow smooth sober solid strange strict successful tense thorough "
        "tidy tiny tired traditional typical vague valuable violent visible vivid "
        "weak wealthy wide wild worried",
        "noun": "plan move group report case state city number change decision problem position "
        "message name board meeting statement country question house role chance visit "
        "friend letter figure debate promise date building response result speech panel "
        "community lawyer reason newspaper picture list mood step guest level calendar "
        "mistake warning memory crowd review lesson delay version signal weekend "
        "neighbour tradition habit detail puzzle bridge bus car ceremony chapter choice "
        "church circle claim clue compromise concert concern conference connection "
        "council couple custom dance deadline dinner dispute district document door doubt "
        "dream favour feature film fire flag floor forest garden gesture gift hall "
        "handshake hearing holiday hope hospital hotel journey joke lake lane lecture "
        "library limit location machine magazine map measure method mirror model moment "
        "morning motive museum night note novel park party path pause permit photograph "
        "place play poem poll portrait post poster prize procedure process programme "
        "proposal prospect queue rally reader reception request rescue restaurant reunion "
        "reward ritual river road roof room route rule rumour scandal scene school secret "
        "seminar sequel session share sign silence site song square stage station street "
        "suggestion suit suite table talent task television theatre theory ticket tour "
        "tower town train tree trend trip truth turn valley verdict village voice wall "
        "water wave wedding window witness writer",
        "person_role": "spokesman witness manager director critic lawyer colleague reporter "
        "supporter neighbour volunteer visitor professor resident student "
        "columnist biographer historian caller judge guide host listener messenger "
        "secretary teacher viewer",
        "said": "said added reported noted insisted admitted warned argued explained claimed "
        "hinted confirmed predicted suggested believed revealed repeated",
        "did": "followed changed surprised pleased confused angered helped divided shaped worried "
        "delayed inspired embarrassed puzzled reassured outlasted amused baffled calmed "
        "cheered comforted disappointed distracted encouraged frustrated haunted impressed "
        "interrupted moved overshadowed rattled relieved shocked stunned troubled united "
        "unsettled",
        "agency": "Kestrel Newsline Meridian Courier Northwire Dispatch",
        "small": "two three four five six seven ten eight nine twelve eleven fifteen twenty",
        "suffix": "Inc Corp Group Ltd Co Holdings Partners Brothers",
        "adverb": "also still now finally again recently quickly quietly probably suddenly simply "
        "clearly rarely sharply barely briefly openly reluctantly twice gradually "
        "largely nearly mostly partly slowly badly hardly formally politely visibly",
        "place_kind": "city region province district capital county island coast",
        # Between two people; whoever is named first is whom the story is about.
        "met": "met sued criticised praised joined challenged accused thanked hired defended "
        "questioned ignored followed mocked contacted outsmarted befriended advised copied "
        "dismissed overtook persuaded ridiculed supported",
    }.items()
}

# Lists of which each class prefers another part.
LEANING = ("given", "adjective", "noun", "person_role", "did", "adverb", "agency")

# A kind of number: its name, how it is written out of (itself, its tens, its last digit), the first
# and one past the last.
NUMBERS = (
    ("date", "{0}", 1, 29),
    ("count", "{0}", 20, 400),
    ("crowd", "{0:,}", 500, 9000),
    ("percent", "{1}.{2}", 1, 500),
    ("year", "{0}", 1940, 2004),
)

# A name is a start, a middle and an ending of its kind: some fifty thousand of each kind.
NAME_STARTS = _list(
    "Hal Mar Ber Kor Del Ros Tan Wil Sor Bran Cal Dor Fen Gar Hol Jas Kel Lan Mor Nor Ost Pel "
    "Quin Rav Sal Tor Ul Var Wes Yar Zel Al Bel Cor Dra Er Fal Gri Hes Ir Jor Kas Lem Mil Nav Or "
    "Per Rin Sta Tre Ven Wal Ash Bal Cas Dun El For Gol Ham"
)
NAME_MIDDLES = _list("a e i o an en in ar er or al el il as is os am ov and end")
NAME_ENDINGS: dict[str, tuple[str, ...]] = {
    "surname": _list(
        "son ez ski man ley ov ini sen wood ward well ko berg ert ing dis mann smith ers ard hart "
        "ney quist shaw rick ett wick nov dez lin kin low gan lund better stone moto zawa"
    ),
    "city": _list(
        "ton burg ville ford port stad grad mouth field ham by wick bridge dale minster abad pur "
        "polis ia haven cester bury nik gorod holm vik furt sted mont shire land ne rath dorf "
        "beck gate cliff mere brook stead"
    ),
    "company": _list(
        "tech corp soft tel ex com net dyne tron ix co bank air line gen med star works mark "
        "trust link data ware chem oil steel foods wear max plus vision core ital onic ova ora "
        "ent ius amo"
    ),
}
