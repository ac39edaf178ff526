"""What the words in an argument's name and description mean: tables that [`lafunc.data.arguments`] looks up."""

import re

# Where strings come from; how they attach to a request, at the end unless a `{}` says where; pattern of the name's
# words, which goes on in indented lines. First match counts.
_STRING_TABLE = r"""
email; with the email, at, using; e ?mails?(?! (subject|body|text|content|title|template|type|id
    |list))( address(es)?)?
url; at, from, using; url|link|website|webpage|endpoint|uri
phone; with the phone number, at, on; phone|mobile|telephone|fax
ip; for, at, with IP; \bip\b|ip address
uuid; with UUID, for; uuid|guid
zip; for ZIP code, in, with postal code; \b(zip|postal|postcode|pincode)\b
coordinates; at, for the coordinates; coordinates
isbn; with ISBN, for ISBN; isbn
hex; with the color, in; \b(hex|colou?r code)\b
password; with the password, using the password; password|passcode|secret
version; version, for version, at version; \bversion\b
username; for, for user, as; (user|login|account|screen) ?name|\busername\b|\bhandle\b
code; with ID, for, with {n}, with the {n}; ids?|identifier|uid|sku|vin
code; with {n}, for {n}, with the {n}; (reference|barcode|serial|license plate|plate|token|(api ?)?key|apikey)
    |tracking|(order|invoice|case|account|flight|ticket|policy|confirmation|booking|reservation) (number|code|no)
dna; for, with the sequence; dna|rna|sequence
language; in, in, for; ^(language|lang|locale)$|(target|source|output|input|from|to) lang|languages?$
code_language; in, using; programming
country_code; for, in; country code
country; in, for; nationality|countr(y|ies)|\bnation\b
continent country state; in, for; continent|region
state; in, for; \b(state|province)\b
airport; at, for; airport
airline; with, on, flying; airline|carrier
address; at, at, with the {n}; street|address|venue
city; from, leaving from, starting in; \b(origin|departure|departing|from|start location|source city|pickup
    |start point)\b(?!.*(date|time|day))
city; to, going to; \b(destination|arrival|to city|to location|dropoff|end location|end point)\b(?!.*(date|time|day))
city; in, for, in; cit(y|ies)|town|\blocations?\b|\bplaces?\b|municipality|area name|^area$|where
timezone; in, in the {} time zone; time ?zone|\btz\b
weekday; on, for; weekday|day of (the )?week
month; in, for; \bmonth\b
period; for, over; time (period|range|frame|span|interval)|period|range|interval|timeframe|frequency
duration; for, lasting; duration
color; in, in, with the color; colou?rs?\b
currency; in, using; currency|currencies
crypto; for, of; crypto\w*|coin
ticker; for, of; ticker|stock|\bsymbol\b
company firm; for, of, at; company|corporation|employer|business|organi[sz]ation(?! type)|manufacturer|vendor
    |supplier|client|firm
brand; from, by, with brand; \bbrand\b|\bmake\b
car; for a, for the, with the {n}; vehicle|\bcar\b|\bmodel\b
movie title; for, about, called; movie|film|tv show|show|series
book title; for, about, called; \bbook\b|novel
song title; for, called; song|track|lyric|album
artist; by, from; artist|singer|band|composer|musician
instrument; for the, on the; instrument
genre; in the {} genre, of the genre; genre
artwork; for, of; artwork|painting|sculpture
game; for, called; \bgame\b
museum; at, in; museum
landmark; near, at, for; landmark|attraction|monument|\bsite\b
league; in, in the; league|tournament|competition
team; for, of; \bteams?\b|club
sport; in, for; \bsports?\b
first; with the first name, first name; ^(first|given) name$
last; with the last name, last name; ^(last|family|sur) ?name$|surname
person figure; by, with, with the {n}; author|director|writer|teacher|doctor|player|driver|coach|athlete|actor
    |instructor|inspector|therapist
person; for, for, with the {n}; (full|person|customer|patient|employee|student|contact|guest|user|passenger|client
    |recipient|sender|owner|member|artist|candidate|host) ?name|\bperson\b|recipients?|sender|attendees?
    |participants?|assignee|patient|customer|members?|owner|holder|borrower|defendant|plaintiff|donor|party|client
    |relative|people|friend|invitees?|names$
figure; for, by; scientist|historical figure|president|king
history; of, for, about; historical|battle|\bwar\b|revolution
planet; on, for; planet|celestial|star
animal; for a, of the; species|animal|\bpet\b|breed
plant; for, of; plant|flower|crop|tree
symptom; with, for; symptom
disease; for, with; disease|condition|illness|diagnosis|disorder
drug; for, of; drug|medication|medicine|prescription
exercise; for, doing; exercise|workout|activity|activities|hobby
formula; for, of; formula|chemical equation
compound; for, of; compound|chemical|molecule|reagent
element; for, of; element|metal|isotope
gas; for, of; \bgas\b
substance; for, of; substance|liquid|fluid|solvent|\bsample\b
material; made of, for, in; material|fabric
gene; for, of; gene|protein
cell; for a, of a; \bcells?\b
cuisine; with {} cuisine, serving {} food; cuisine
diet; that is, for a {} diet; diet|allerg\w*
ingredient; with, using; ingredient
food; for, of; food|dish|recipe|meal|menu
drink; of, for; drink|beverage|coffee
job; for a, as a; job|occupation|position|profession|role|career
industry; in the {} industry, for; industry|sector
skill; with, in; skill
university; at, for; university|school|college|institution
subject; in, for, on; course|subject(?! line)|class\b
topic; about, on; topics?|theme|interests|hobbies
event; for the, called; event|occasion|meeting|appointment
holiday; for, on; holiday
room; in the, for the; room
device; for the, on the; device|appliance
furniture; for a, of the; furniture
clothing; for a; cloth(es|ing)|garment|outfit
product; for, of, for a; products?|items?|goods|merchandise|article name
property; for a, of type; property type|house type
amenity; with; amenit(y|ies)
payment; by, with, paying by; payment
transport; by; transport\w*|travel mode
weather; when it is, in {} weather; weather
law; on, under; \blaw\b|legal topic|legislation|statute
court state; in, at; court|jurisdiction
crime; for; crime|offen[cs]e|violation
file; for, from, of; file ?name|\bfiles?\b|document|attachment|image|photo|picture|video|audio|dataset
folder; in, from, under; folder|director(y|ies)|path
extension; as, in {} format; extension|file (type|format)|format
table; in the {} table, from; \btables?\b|database|collection
column; by, for, on; columns?|fields?|attribute|feature|variable|metric
domain; for, on, at; domain|host|server|hostname
branch; on, from branch; branch
expression; of, for, {}; expression|equation|function|polynomial|formula
distribution; with a {} distribution, following a {} distribution; distribution
algorithm; using, with; algorithm
method; using, with; method|technique|approach|strategy|model type
shape; for a, of a; shape
gender; who is, {}; gender|\bsex\b
direction; to the, {}; direction
mood; for a {} mood, that feels; mood|emotion|feeling
priority; with {} priority, at {} priority; priority|urgency|severity|importance
level; at {} level, at the {} level; difficulty|\blevel\b|experience|grade
status; with status, that are, marked as; status
size; in size, in; size
unit; in, in; units?$|measurement
platform; on, for; platform|social|channel|network
category; in, in the {} category, for; categor(y|ies)|department|tags?\b|labels?\b|niche|market
query; for, for, about; query|search|keywords?|\bterms?\b|phrase
title title title event; titled, called, with the title; title|headline
thing; for, of the word; \bword\b
text; saying, with the {n}, :; text|message|content|body|sentence|paragraph|comment|caption|note|review|feedback
    |description|details|summary|prompt|question|input|reason|instructions|memo|transcript|string|data
title event topic; with the subject; subject
person firm title invented; named, called, for; name$
kind; of type, with {n}; type|kind|style|mode|option|plan|source
"""
STRINGS = tuple(
    (
        re.compile(rf"\b(?:{pattern})(?:s|es)?\b"),
        tuple(source.split()),
        tuple(frame if "{}" in frame else f"{frame} {{}}" for frame in frames.split(", ")),
    )
    for source, frames, pattern in (
        line.split("; ") for line in re.sub(r"\n +", "", _STRING_TABLE.strip()).split("\n")
    )
)
# (pattern, lowest, highest, decimals or not or as the schema says, how it is written)
NUMBERS = tuple(
    (re.compile(rf"\b(?:{pattern})\b"), low, high, decimals, style)
    for pattern, low, high, decimals, style in (
        (r"lat|latitude", -89, 89, 4, ""),
        (r"lon|lng|long|longitude", -179, 179, 4, ""),
        (r"(heart|pulse) rate|pulse|bpm|beats per minute", 45, 190, 0, ""),
        (r"calories", 100, 3500, 0, "unit"),
        (r"credit score", 300, 850, 0, ""),
        (r"(loyalty|experience) points|points", 10, 900, 0, ""),
        (r"confidence level", 0.8, 0.99, 2, "fraction"),
        (r"probability|confidence|threshold|significance|alpha|proportion|fraction|ratio|dropout|slippage|efficiency",
         0, 1, 2, "fraction"),
        (r"(loan|repayment|lease|mortgage) (term|period|duration|years?|months?)|term|years|lifetime|life", 1, 40, 0,
        "unit"),
        (r"percent|percentage|discount|tax( rate)?|humidity|interest|rate|yield|margin|tip|inflation|growth"
         r"|(annual|yearly|expected) return", 1, 40,
        1, "percent"),
        (r"prices?|costs?|budgets?|amounts?|salary|income|principal|loan|fees?|revenues?|invest(ed|ment)s?|payments?|deposit"
         r"|balance|wage|rent|spending|expenses?|debts?|profit|money|fare|donation|mortgage|assets?|liabilit\w+|equity|cash"
         r"|capital|premium|coverage|deductible|contribution|savings|dividends?|deductions|returned|bill|utilities",
         5, 90000, 2,
         "money"),
        (r"ages?", 1, 95, 0, ""),
        (r"year|century", 1850, 2030, 0, "year"),
        (r"month", 1, 12, 0, "month"),
        (r"day", 1, 31, 0, ""),
        (r"hour", 0, 23, 0, ""),
        (r"minute|second", 0, 59, 0, ""),
        (r"hours|minutes|seconds|days|weeks|months|nights|duration|timeout|time|period|interval|delay|rest", 1, 90, 1,
        "unit"),
        (r"temperature|degrees?", -30, 120, 1, "unit"),
        (r"angle|rotation|heading", 0, 360, 1, "unit"),
        (r"brightness|volume level|battery|position|contrast", 0, 100, 0, "percentage"),
        (r"rating|stars", 1, 5, 1, ""),
        (r"scores?|grades?|marks|average", 0, 100, 1, ""),
        (r"weight|mass|dose", 1, 250, 1, "unit"),
        (r"height|length|width|depth|radius|diameter|base|side|distance|altitude|thickness|perimeter|area|volume|size|speed"
         r"|velocity|acceleration|force|pressure|density|energy|power|voltage|current|resistance|charge|frequency"
         r"|wavelength|capacity|concentration|gravity|leg", 1, 300, 2, "unit"),
        (r"mileage|population|views|followers|visitors|users|streams|steps", 100, 900000, 0, ""),
        (r"memory|disk|storage", 1, 2000, 0, "unit"),
        (r"ports?", 80, 65535, 0, ""),
        (r"pages", 1, 900, 0, ""),
        (r"page|offset|index|level|floor|rank|zone", 1, 30, 0, ""),
        (r"precision|decimals?|digits|places", 0, 8, 0, ""),
        (r"ids?|identifier|code|seed|number$", 1, 9999999, 0, "id"),
        (r"quantity|count|number of|limit|results|top|sides|size|repetitions|k", 1, 25, 0, ""),
        (r"coefficients?|slope|intercept|exponent", -12, 12, 1, ""),
    )
)  # fmt: skip
UNITS = {
    "meters": "m", "kilometers": "km", "centimeters": "cm", "millimeters": "mm", "miles": "mi", "feet": "ft",
    "inches": "in", "yards": "yd", "kilograms": "kg", "grams": "g", "pounds": "lbs", "ounces": "oz", "liters": "L",
    "milliliters": "ml", "gallons": "gal", "seconds": "s", "minutes": "min", "hours": "h", "days": "", "weeks": "",
    "months": "", "years": "", "nights": "", "celsius": "°C", "fahrenheit": "°F", "kelvin": "K", "degrees": "°",
    "watts": "W", "kilowatts": "kW", "volts": "V", "amperes": "A", "ohms": "Ω", "hertz": "Hz", "newtons": "N",
    "joules": "J", "pascals": "Pa", "calories": "kcal", "km/h": "km/h", "mph": "mph", "m/s": "m/s", "m/s^2": "m/s^2",
    "kg/m^3": "kg/m^3", "moles": "mol", "megabytes": "MB", "gigabytes": "GB", "pixels": "px", "square meters": "sqm",
    "square feet": "sq ft", "kilowatt-hours": "kWh", "cubic meters": "m³", "coulombs": "C", "atmospheres": "atm",
    "nanometers": "nm", "milligrams": "mg", "radians": "rad", "acres": "", "milliseconds": "ms", "words": "",
    "characters": "", "people": "", "cups": "", "kilocalories": "kcal", "tesla": "T",
}  # fmt: skip
UNIT_OF_NAME = {short: name for name, short in UNITS.items() if short.isalpha() and len(short) > 1}
UNIT_PATTERN = re.compile(
    r"\b(?:in|measured in|as) (" + "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True)) + r")\b", re.I
)
LONGER = {
    "lat": "latitude", "lon": "longitude", "lng": "longitude", "num": "number of", "qty": "quantity",
    "addr": "address", "desc": "description", "min": "minimum", "max": "maximum", "temp": "temperature",
    "dob": "date of birth", "src": "source", "dest": "destination", "dst": "destination", "msg": "message",
    "lang": "language", "loc": "location", "amt": "amount", "avg": "average", "pct": "percentage",
    "tel": "phone number", "pwd": "password", "img": "image", "dept": "department", "freq": "frequency",
    "cat": "category", "dur": "duration", "info": "information", "std": "standard", "dev": "deviation",
    "prob": "probability", "coeff": "coefficient", "coef": "coefficient", "acc": "acceleration", "vel": "velocity",
    "init": "initial", "vol": "volume", "param": "parameter", "params": "parameters", "db": "database",
}  # fmt: skip
