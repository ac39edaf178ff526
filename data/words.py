"""Words that synthetic requests are made of: tables by what they name, and what is composed of them.

`WORDS["city"]` is a list of cities; `compose("title", rng)` makes titles that stand in no table.
"""

import random
import string

from ..copying_lafunc import UNDER_HUNDRED

_TABLES = {
    "city": """Tokyo, Paris, London, New York, Los Angeles, Chicago, Houston, Berlin, Madrid, Rome, Vienna, Prague,
        Budapest, Warsaw, Lisbon, Porto, Dublin, Edinburgh, Glasgow, Manchester, Amsterdam, Rotterdam, Brussels,
        Antwerp, Zurich, Geneva, Milan, Naples, Florence, Venice, Athens, Istanbul, Ankara, Cairo, Nairobi, Lagos,
        Accra, Cape Town, Johannesburg, Casablanca, Tunis, Dubai, Abu Dhabi, Doha, Riyadh, Tel Aviv, Amman, Mumbai,
        Delhi, Bangalore, Chennai, Kolkata, Karachi, Lahore, Dhaka, Kathmandu, Colombo, Bangkok, Hanoi, Ho Chi Minh
        City, Singapore, Kuala Lumpur, Jakarta, Manila, Hong Kong, Shanghai, Beijing, Shenzhen, Seoul, Busan, Osaka,
        Kyoto, Sapporo, Sydney, Melbourne, Brisbane, Perth, Auckland, Wellington, Toronto, Montreal, Vancouver,
        Calgary, Ottawa, Boston, Seattle, San Francisco, San Diego, Denver, Dallas, Austin, Miami, Atlanta,
        Philadelphia, Phoenix, Portland, Las Vegas, Nashville, New Orleans, Minneapolis, Detroit, Mexico City,
        Guadalajara, Havana, Bogotá, Medellín, Lima, Quito, Santiago, Buenos Aires, Montevideo, São Paulo, Rio de
        Janeiro, Brasília, Stockholm, Gothenburg, Oslo, Bergen, Copenhagen, Helsinki, Reykjavik, Tallinn, Riga,
        Vilnius, Kyiv, Moscow, Munich, Hamburg, Cologne, Frankfurt, Barcelona, Seville, Valencia, Lyon, Marseille,
        Nice, Bordeaux, Toulouse, Salzburg, Kraków, Ljubljana, Zagreb, Split, Belgrade, Sofia, Bucharest, Malmö,
        Bristol, Leeds, Oxford, Cambridge, Salt Lake City, Santa Fe, Baltimore, Tampa, Orlando, Honolulu, Anchorage,
        Boise, Tucson, Omaha""",
    "city_state": """San Francisco/CA/California, Los Angeles/CA/California, San Diego/CA/California, Sacramento/CA/
        California, New York/NY/New York, Buffalo/NY/New York, Boston/MA/Massachusetts, Chicago/IL/Illinois, Austin/TX/
        Texas, Dallas/TX/Texas, Houston/TX/Texas, El Paso/TX/Texas, Seattle/WA/Washington, Spokane/WA/Washington,
        Portland/OR/Oregon, Denver/CO/Colorado, Miami/FL/Florida, Tampa/FL/Florida, Orlando/FL/Florida, Atlanta/GA/
        Georgia, Savannah/GA/Georgia, Phoenix/AZ/Arizona, Tucson/AZ/Arizona, Las Vegas/NV/Nevada, Reno/NV/Nevada,
        Philadelphia/PA/Pennsylvania, Pittsburgh/PA/Pennsylvania, Detroit/MI/Michigan, Minneapolis/MN/Minnesota,
        Nashville/TN/Tennessee, Memphis/TN/Tennessee, New Orleans/LA/Louisiana, Salt Lake City/UT/Utah, Honolulu/HI/
        Hawaii, Anchorage/AK/Alaska, Boise/ID/Idaho, Omaha/NE/Nebraska, Baltimore/MD/Maryland, Cleveland/OH/Ohio,
        Columbus/OH/Ohio, Charlotte/NC/North Carolina, Raleigh/NC/North Carolina, Milwaukee/WI/Wisconsin, Kansas City/
        MO/Missouri, Indianapolis/IN/Indiana, Richmond/VA/Virginia, Newark/NJ/New Jersey, Santa Fe/NM/New Mexico""",
    "city_country": """Paris/France, Lyon/France, London/UK, Manchester/UK, Berlin/Germany, Munich/Germany, Rome/Italy,
        Milan/Italy, Madrid/Spain, Barcelona/Spain, Lisbon/Portugal, Tokyo/Japan, Osaka/Japan, Beijing/China, Shanghai/
        China, Mumbai/India, Delhi/India, Sydney/Australia, Melbourne/Australia, Toronto/Canada, Vancouver/Canada,
        Cairo/Egypt, Nairobi/Kenya, Lagos/Nigeria, Oslo/Norway, Stockholm/Sweden, Helsinki/Finland, Vienna/Austria,
        Athens/Greece, Istanbul/Turkey, Bangkok/Thailand, Hanoi/Vietnam, Seoul/South Korea, Lima/Peru, Santiago/Chile,
        Buenos Aires/Argentina, Mexico City/Mexico, Dublin/Ireland, Warsaw/Poland, Prague/Czech Republic""",
    "country": """France, Germany, Italy, Spain, Portugal, Japan, China, India, Brazil, Argentina, Chile, Peru,
        Colombia, Mexico, Canada, the United States, the United Kingdom, Ireland, Norway, Sweden, Finland, Denmark,
        Iceland, Poland, Austria, Switzerland, Belgium, the Netherlands, Greece, Turkey, Egypt, Morocco, Kenya,
        Nigeria, Ghana, Ethiopia, South Africa, Tanzania, Saudi Arabia, Qatar, Israel, Jordan, Pakistan, Bangladesh,
        Nepal, Sri Lanka, Thailand, Vietnam, Malaysia, Indonesia, the Philippines, South Korea, Mongolia, Australia,
        New Zealand, Fiji, Croatia, Serbia, Hungary, Romania, Bulgaria, Ukraine, Estonia, Latvia, Lithuania, Cuba,
        Jamaica, Costa Rica, Panama, Ecuador, Uruguay, Bolivia, Kazakhstan, Georgia, Armenia, Luxembourg, Malta""",
    "country_code": """US, GB, DE, FR, IT, ES, PT, JP, CN, IN, BR, MX, CA, AU, NZ, ZA, SE, NO, FI, DK, NL, BE, CH, AT,
        PL""",
    "state": """California, Texas, Florida, Nevada, Oregon, Washington, Arizona, Colorado, Utah, Ohio, Georgia,
        Virginia, Michigan, Illinois, Massachusetts, New York, New Jersey, Pennsylvania, Tennessee, Louisiana, Alaska,
        Hawaii, Montana, Minnesota, Wisconsin, Bavaria, Ontario, Quebec, Queensland, Victoria, Punjab, Kerala""",
    "continent": "Europe, Asia, Africa, North America, South America, Oceania, Antarctica",
    "first": """James, Mary, John, Patricia, Robert, Jennifer, Michael, Linda, Sarah, David, Emma, Olivia, Noah, Liam,
        Sophia, Mia, Lucas, Hannah, Leon, Anna, Marta, Pedro, Lucia, Giulia, Marco, Elena, Ivan, Olga, Yuki, Hiroshi,
        Wei, Mei, Priya, Arjun, Ananya, Ravi, Fatima, Omar, Layla, Ahmed, Zainab, Kofi, Amara, Chinedu, Nia, Thabo,
        Ingrid, Lars, Freya, Björn, Aoife, Sean, Chloe, Pierre, Camille, Hugo, Sofia, Mateo, Valentina, Diego, Grace,
        Ella, Jack, Oscar, Ruby, Isla, Theo, Ethan, Nora, Caleb, Naomi, Simon, Teresa, Victor, Wendy, Xavier, Yara""",
    "last": """Smith, Johnson, Williams, Brown, Jones, Garcia, Miller, Davis, Martinez, Lopez, Wilson, Anderson,
        Thomas, Taylor, Moore, Jackson, Martin, Lee, Thompson, White, Harris, Clark, Lewis, Walker, Young, King,
        Wright, Scott, Nguyen, Hill, Green, Adams, Baker, Nelson, Carter, Mitchell, Roberts, Müller, Schmidt, Weber,
        Fischer, Rossi, Bianchi, Dubois, Laurent, Moreau, Novak, Kowalski, Ivanov, Petrov, Tanaka, Sato, Suzuki, Chen,
        Wang, Zhang, Kim, Park, Patel, Singh, Sharma, Khan, Hussain, Okafor, Mensah, Dlamini, Haddad, Silva, Santos,
        Pereira, Andersen, Lindqvist, O'Brien, Murphy, Byrne, Fernández, Castillo, Rivera, Whitfield, Ashworth""",
    "company": """Apple, Microsoft, Google, Amazon, Tesla, Netflix, Intel, Nvidia, Samsung, Sony, Toyota, Honda, Ford,
        Volkswagen, BMW, Siemens, Bosch, SAP, Spotify, IKEA, Nestlé, Unilever, Pfizer, Moderna, Boeing, Airbus, Shell,
        Walmart, Target, Costco, Starbucks, Nike, Adidas, Zara, Disney, Coca-Cola, PepsiCo, Visa, PayPal, Oracle, IBM,
        Adobe, Uber, Airbnb, Lego, Philips, Ericsson, Nokia, Panasonic, General Electric, Goldman Sachs""",
    "ticker": """AAPL, MSFT, GOOGL, AMZN, TSLA, NFLX, NVDA, INTC, META, IBM, ORCL, AMD, DIS, KO, PEP, NKE, SBUX, BA,
        JPM, V""",
    "crypto": "BTC, ETH, SOL, ADA, XRP, DOGE, LTC, DOT, BNB, AVAX",
    "currency": "USD, EUR, GBP, JPY, CHF, CAD, AUD, NZD, CNY, INR, SEK, NOK, DKK, PLN, BRL, MXN, ZAR, TRY, KRW, SGD",
    "language": """English, Spanish, French, German, Italian, Portuguese, Dutch, Swedish, Norwegian, Danish, Finnish,
        Polish, Czech, Hungarian, Romanian, Greek, Turkish, Arabic, Hebrew, Hindi, Bengali, Urdu, Tamil, Thai,
        Vietnamese, Indonesian, Malay, Japanese, Korean, Chinese, Mandarin, Russian, Ukrainian, Swahili, Zulu,
        Icelandic, Latin""",
    "language_code": "en, es, fr, de, it, pt, nl, sv, da, fi, pl, tr, ar, hi, ja, ko, zh, ru",
    "code_language": """Python, JavaScript, Java, C++, Rust, Go, Ruby, TypeScript, Swift, Kotlin, PHP, Haskell, R,
        Julia""",
    "color": """red, blue, green, yellow, orange, purple, pink, black, white, grey, brown, turquoise, navy blue, beige,
        crimson, teal, gold, silver, ivory, lavender, olive, maroon, magenta, light blue, dark green""",
    "size": """small, medium, large, extra large, S, M, L, XL, XXL, tiny, king size, queen size, full size, twin,
        compact""",
    "food": """spaghetti carbonara, chicken curry, Caesar salad, margherita pizza, beef stew, sushi, ramen, tacos,
        pancakes, banana bread, tomato soup, lasagna, fried rice, pad thai, paella, chocolate cake, apple pie, hummus,
        falafel, tiramisu, mushroom risotto, grilled salmon, lentil soup, French onion soup, cheesecake, burritos,
        shepherd's pie, beef stroganoff, gazpacho, kimchi, pho, dumplings, quiche, ratatouille, fish and chips""",
    "ingredient": """chicken, rice, tomatoes, garlic, onions, basil, olive oil, flour, butter, eggs, milk, sugar,
        spinach, mushrooms, potatoes, carrots, beef, salmon, tofu, lentils, chickpeas, cheese, cream, ginger, lemon,
        honey, oats, peanuts, soy sauce, coconut milk, bell peppers, broccoli, avocado, bananas, almonds""",
    "cuisine": """Italian, Mexican, Thai, Indian, Chinese, Japanese, French, Greek, Korean, Vietnamese, Turkish,
        Ethiopian""",
    "diet": "vegan, vegetarian, gluten-free, keto, halal, kosher, dairy-free, low-carb, pescatarian, paleo",
    "drink": """espresso, cappuccino, green tea, orange juice, latte, lemonade, iced coffee, mineral water, hot
        chocolate""",
    "product": """laptop, wireless mouse, mechanical keyboard, noise-cancelling headphones, coffee maker, running
        shoes, desk lamp, backpack, smartphone, tablet, office chair, water bottle, yoga mat, electric kettle, vacuum
        cleaner, bluetooth speaker, winter jacket, sunglasses, camping tent, garden hose, wool scarf, standing desk,
        toaster, USB-C cable, monitor, external hard drive, wristwatch, board game, cookbook, bicycle helmet, air
        fryer, picture frame, rice cooker, guitar strings, dog leash, tennis racket, phone case, printer, webcam,
        notebook""",
    "movie": """Inception, The Matrix, Titanic, Casablanca, Jaws, Psycho, Vertigo, Alien, Gladiator, Amélie, Parasite,
        The Godfather, Pulp Fiction, Interstellar, The Dark Knight, Toy Story, Spirited Away, Forrest Gump, Rocky, La
        La Land, Blade Runner, Arrival, Goodfellas, The Shining, Finding Nemo, Metropolis""",
    "book": """1984, Dune, Emma, Ulysses, Moby Dick, The Great Gatsby, Pride and Prejudice, Brave New World, The
        Hobbit, War and Peace, Crime and Punishment, Don Quixote, Frankenstein, Dracula, Jane Eyre, Wuthering Heights,
        The Odyssey, To Kill a Mockingbird, The Catcher in the Rye, Beloved, Middlemarch""",
    "song": """Bohemian Rhapsody, Imagine, Hey Jude, Yesterday, Hallelujah, Clair de Lune, Billie Jean, Hotel
        California, Wonderwall, Africa, Dancing Queen, Let It Be, Purple Rain, Hurt, Take On Me,
        Blue in Green, So What""",
    "artist": """Adele, Coldplay, The Beatles, Taylor Swift, Queen, Radiohead, Drake, Beyoncé, Miles Davis, Mozart,
        Daft Punk, Pink Floyd, ABBA, Bob Dylan, Nina Simone, Björk, Johnny Cash, David Bowie, U2, Metallica, Rihanna,
        Chopin, Billie Eilish, Kendrick Lamar, Fleetwood Mac, Stevie Wonder, Edith Piaf""",
    "genre": """jazz, rock, pop, classical, hip-hop, blues, country, electronic, folk, reggae, soul, metal, thriller,
        comedy, drama, science fiction, fantasy, horror, romance, mystery, documentary, western, adventure""",
    "instrument": """piano, guitar, violin, cello, flute, trumpet, drums, saxophone, clarinet, harp, ukulele, oboe,
        banjo""",
    "note": "C, D, E, F, G, A, B, C#, F#, Bb, Eb, G#",
    "sport": """football, basketball, tennis, baseball, cricket, rugby, golf, hockey, volleyball, swimming, cycling,
        badminton, table tennis, boxing, skiing, surfing, rowing, handball, athletics, judo, soccer""",
    "team": """Manchester United, Real Madrid, Barcelona, Bayern Munich, Liverpool, Arsenal, Chelsea, Juventus, AC
        Milan, Los Angeles Lakers, Golden State Warriors, Chicago Bulls, Boston Celtics, New York Yankees, Dallas
        Cowboys, Green Bay Packers, Toronto Maple Leafs, Ajax, Celtic, Benfica, Mumbai Indians, Boston Red Sox, Miami
        Heat""",
    "league": "Premier League, NBA, NFL, La Liga, Serie A, Bundesliga, MLB, NHL, Champions League, Ligue 1, IPL, MLS",
    "animal": """dog, cat, lion, elephant, giraffe, panda, dolphin, penguin, tiger, wolf, fox, owl, eagle, shark,
        octopus, rabbit, horse, cow, goat, sheep, parrot, tortoise, frog, salmon, honey bee, kangaroo, koala, gorilla,
        zebra, blue whale, hedgehog, otter, bat, camel, crocodile, African elephant, snow leopard, red panda""",
    "plant": """rose, oak, sunflower, tomato, basil, orchid, cactus, fern, maple, tulip, lavender, bamboo, wheat, corn,
        ivy""",
    "disease": """asthma, diabetes, influenza, migraine, malaria, measles, pneumonia, bronchitis, anemia, arthritis,
        hypertension, eczema, tuberculosis, dengue fever, hepatitis B, Lyme disease, chickenpox""",
    "symptom": """headache, fever, cough, nausea, fatigue, sore throat, dizziness, chest pain, back pain, rash, runny
        nose""",
    "drug": """ibuprofen, aspirin, paracetamol, amoxicillin, metformin, insulin, warfarin, lisinopril, omeprazole,
        morphine""",
    "exercise": """push-ups, squats, running, deadlifts, plank, cycling, swimming, rowing, lunges, burpees, yoga,
        jogging""",
    "compound": """water, carbon dioxide, methane, ethanol, ammonia, glucose, benzene, sulfuric acid, acetone,
        caffeine, sodium chloride, hydrogen peroxide, aspirin, nitric acid, calcium carbonate, propane""",
    "formula": "H2O, CO2, NaCl, CH4, C6H12O6, NH3, H2SO4, C2H5OH, CaCO3, HCl, NaOH, KMnO4, Fe2O3, O2, C8H10N4O2, HNO3",
    "element": """hydrogen, helium, carbon, oxygen, nitrogen, iron, copper, gold, silver, zinc, sodium, lithium, neon,
        uranium, calcium, titanium, chlorine, sulfur, lead, mercury, platinum, silicon""",
    "gas": "air, helium, nitrogen, oxygen, argon, carbon dioxide, hydrogen, methane",
    "substance": "water, ethanol, ice, steel, aluminum, copper, mercury, glass, oil, air, concrete, wood, gold, iron",
    "material": """steel, wood, concrete, aluminum, glass, cotton, leather, copper, plastic, wool, marble, bamboo,
        granite""",
    "gene": "BRCA1, TP53, CFTR, EGFR, APOE, MYC, KRAS, HBB, INS, FOXP2",
    "cell": "neuron, red blood cell, white blood cell, plant cell, stem cell, muscle cell, bacterial cell, liver cell",
    "planet": "Mercury, Venus, Earth, Mars, Jupiter, Saturn, Uranus, Neptune, the Moon, Pluto",
    "job": """software engineer, data analyst, nurse, teacher, accountant, graphic designer, project manager,
        electrician, chef, lawyer, marketing manager, mechanic, pharmacist, translator, librarian, architect,
        journalist, plumber, product manager, data scientist, sales representative, web developer, civil engineer,
        barista""",
    "industry": "healthcare, finance, retail, education, automotive, energy, agriculture, tourism, telecommunications",
    "skill": """Python programming, public speaking, project management, SQL, negotiation, welding, copywriting, first
        aid""",
    "university": """Harvard University, Stanford University, MIT, University of Oxford, ETH Zurich, Yale University,
        University of Toronto, National University of Singapore, Sorbonne University, University of Tokyo""",
    "subject": """algebra, biology, chemistry, physics, history, geography, economics, philosophy, statistics,
        literature""",
    "topic": """climate change, renewable energy, artificial intelligence, space exploration, mental health, world
        history, machine learning, quantum computing, electric cars, organic farming, the Roman Empire, marine biology,
        cryptocurrency, remote work, ancient Greece, the French Revolution, vaccine development, football transfers,
        urban gardening, home insulation, deep sea fishing, solar panels, the housing market, cybersecurity, jazz
        history, Renaissance art, sleep hygiene, meal planning, data privacy, supply chains,
        coral reefs, black holes""",
    "event": """birthday party, wedding, conference, job interview, team meeting, book club, music festival, charity
        run, product launch, yoga class, dentist appointment, concert, graduation, board meeting, art exhibition,
        picnic""",
    "holiday": """Christmas, Easter, Halloween, Thanksgiving, New Year's Eve, Diwali, Hanukkah, Eid, Labor Day,
        Midsummer""",
    "history": """the French Revolution, World War II, the fall of the Berlin Wall, the Battle of Waterloo, the signing
        of the Magna Carta, the moon landing, the Great Fire of London, the Black Death, the American Civil War, the
        Battle of Hastings, the discovery of penicillin, the Russian Revolution, the Treaty of Versailles""",
    "figure": """Albert Einstein, Marie Curie, Isaac Newton, Leonardo da Vinci, Cleopatra, Napoleon Bonaparte, Ada
        Lovelace, Mahatma Gandhi, Nelson Mandela, William Shakespeare, Charles Darwin, Abraham Lincoln, Frida Kahlo,
        Galileo Galilei, Julius Caesar, Nikola Tesla, Rosa Parks, Florence Nightingale, Alan Turing, Jane Austen""",
    "artwork": "Mona Lisa, The Starry Night, Guernica, The Scream, Girl with a Pearl Earring, The Kiss, Water Lilies",
    "game": """chess, Minecraft, Monopoly, Tetris, Catan, Scrabble, poker, The Legend of Zelda, Portal, Stardew Valley,
        Go""",
    "museum": """the Louvre, the British Museum, the Prado, the Uffizi Gallery, the Rijksmuseum, the Metropolitan
        Museum of Art""",
    "landmark": """the Eiffel Tower, the Colosseum, Central Park, the Statue of Liberty, Big Ben, Mount Everest, the
        Taj Mahal, Niagara Falls, the Grand Canyon, Times Square, the Golden Gate Bridge, Machu Picchu, Stonehenge""",
    "airport": """JFK, LAX, LHR, CDG, FRA, AMS, HND, NRT, SIN, DXB, SFO, ORD, ATL, MAD, BCN, FCO, MUC, ZRH, ARN, HEL,
        DUB""",
    "airline": "Lufthansa, British Airways, Delta, Emirates, Air France, KLM, Qantas, United, Ryanair, Finnair, SAS",
    "car": """Toyota Corolla, Honda Civic, Ford Focus, Tesla Model 3, Volkswagen Golf, BMW X5, Audi A4, Mazda 3, Volvo
        XC60""",
    "brand": """Toyota, Honda, Ford, BMW, Audi, Mazda, Volvo, Tesla, Sony, Samsung, Nike, Adidas, Dell, Lenovo, Canon,
        Bosch""",
    "room": """living room, kitchen, bedroom, bathroom, hallway, garage, office, dining room, basement, nursery, attic,
        guest room, balcony, laundry room, study, master bedroom, conference room""",
    "device": """thermostat, ceiling fan, bedside lamp, smart TV, air conditioner, dishwasher, coffee machine, garage
        door, front door lock, robot vacuum, heater, humidifier, security camera, doorbell, speaker, oven""",
    "unit": """meters, kilometers, miles, feet, inches, kilograms, grams, pounds, liters, gallons, celsius, fahrenheit,
        hours""",
    "file": """report.pdf, notes.txt, data.csv, budget.xlsx, photo.jpg, main.py, presentation.pptx, config.yaml,
        log.txt, invoice_march.pdf, index.html, backup.zip, results.json, thesis_final.docx,
        sales-2023.csv, readme.md""",
    "folder": """Documents, Downloads, projects, /home/user/photos, /var/log, /tmp, archive, backup, src, /data/raw,
        music""",
    "extension": "pdf, csv, json, txt, png, jpg, xml, docx, mp3, mp4, html, zip",
    "table": """customers, orders, employees, products, users, invoices, students, payments, inventory, sessions,
        suppliers""",
    "column": """age, price, name, created_at, email, salary, quantity, status, department, score, country, total,
        rating""",
    "domain": "example.com, mysite.org, shop.example.net, acme.io, openweather.dev, books.example.org, test.org",
    "timezone": """UTC, America/New_York, Europe/London, Europe/Berlin, Asia/Tokyo, Australia/Sydney, PST, EST, CET,
        GMT""",
    "weekday": "Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday",
    "month": "January, February, March, April, May, June, July, August, September, October, November, December",
    "relative_date": """today, tomorrow, next Monday, next week, this weekend, Friday, next month, tonight, Saturday,
        the day after tomorrow, yesterday, last week, this Thursday, next Tuesday""",
    "period": """last week, last month, the past year, this quarter, the last 7 days, last 30 days, Q1 2024, Q3 2023,
        2022, this month, past 24 hours, the last decade, weekly, monthly, daily, yearly, 2020-2023""",
    "duration": """2 hours, 30 minutes, 3 days, 1 week, 45 minutes, 6 months, 90 seconds, 2 weeks, one year, an hour,
        10 days""",
    "gender": "male, female",
    "direction": "north, south, east, west, left, right, up, down, northeast, southwest",
    "status": "active, pending, completed, open, closed, cancelled, in progress, shipped, on hold, approved, draft",
    "priority": "high, low, medium, urgent, critical, normal",
    "level": "beginner, intermediate, advanced, expert, low, medium, high, basic",
    "mood": "happy, relaxed, sad, energetic, romantic, calm, angry, nostalgic",
    "category": """electronics, clothing, books, sports, home and garden, toys, beauty, groceries, travel, health,
        education, finance, science, technology, politics, entertainment, business, food, music, art""",
    "kind": """standard, premium, basic, detailed, custom, annual, digital, outdoor, indoor, public, private, online,
        manual, automatic, local, international, residential, commercial, quarterly, linear, seasonal, hybrid""",
    "method": """linear regression, random forest, k-means clustering, Monte Carlo simulation, spectroscopy, surveys,
        grid search, gradient descent, chromatography, peer review, A/B testing, finite element analysis""",
    "platform": """Facebook, Twitter, Instagram, LinkedIn, YouTube, TikTok, Reddit, Pinterest, WhatsApp, Slack,
        Telegram""",
    "payment": "credit card, PayPal, bank transfer, cash, debit card, gift card, Apple Pay, invoice",
    "transport": "car, train, bus, bicycle, plane, walking, ferry, taxi, subway, tram",
    "weather": "sunny, rainy, cloudy, snowy, windy, foggy, stormy, humid",
    "adjective": """silent, golden, broken, hidden, crimson, lonely, electric, forgotten, distant, burning, gentle,
        wild, frozen, velvet, hollow, shining, last, second, northern, quiet, endless, paper, bitter, lucky, midnight,
        blue""",
    "thing": """river, garden, mountain, harbor, winter, mirror, shadow, lantern, kingdom, island, letter, orchard,
        window, train, summer, forest, bridge, storm, compass, feather, ocean, valley, echo, castle, road, star, clock,
        bell""",
    "fact": """Photosynthesis turns sunlight into sugar, The meeting was moved to Thursday, I really enjoyed the new
        restaurant, The package arrived damaged, Our sales grew faster than expected, The quick brown fox jumps over
        the lazy dog, The service was slow but the food was great, I will be late tonight, Please call me back after
        lunch, The battery does not last a whole day, Thank you for your help, Good morning everyone, Where is the
        nearest train station, The product stopped working after a week, We need more chairs for the event, Water boils
        at 100 degrees, Remember to buy milk, The deadline is next Friday, I love this song, See you at the usual
        place, The report is ready for review, Don't forget to lock the door, How are you today,
        I would like a refund""",
    "suffix": """Solutions, Industries, Labs, Partners, Systems, Foods, Logistics, Media, Studio, Group, Ltd, Inc, &
        Sons""",
    "street": """Main Street, Oak Avenue, High Street, Maple Drive, Elm Street, Park Lane, Station Road, Sunset
        Boulevard""",
    "law": "contract law, copyright, labor law, patent infringement, tax law, family law, antitrust, privacy law",
    "court": "the Supreme Court, the District Court, the High Court, the Court of Appeals, the county court",
    "crime": "theft, fraud, burglary, assault, arson, speeding, forgery, embezzlement, trespassing",
    "amenity": "pool, gym, free wifi, parking, breakfast, spa, balcony, pet friendly, air conditioning, sauna, garden",
    "property": "apartment, house, condo, studio, villa, cottage, townhouse, penthouse, loft",
    "distribution": "normal, uniform, binomial, Poisson, exponential",
    "algorithm": "SHA-256, MD5, AES, quicksort, Dijkstra, k-means, A*, RSA, gzip, random forest, BFS, merge sort",
    "expression": """x^2 + 3x - 4, 2x + 5, sin(x), 3x^3 - 2x, e^x, x^2, ln(x), cos(2x), 4x - 7, x^4 - 1, (x + 1)^2,
        5*(3+2)""",
    "shape": "circle, square, triangle, rectangle, sphere, cube, cylinder, cone, pyramid, hexagon, trapezoid, ellipse",
    "account": "checking, savings, retirement, brokerage, business",
    "branch": "main, develop, feature/login, release-1.4, hotfix/typo, staging",
    "clothing": "jacket, T-shirt, jeans, dress, sweater, sneakers, raincoat, hoodie, skirt, boots, scarf, hat",
    "furniture": "sofa, dining table, bookshelf, wardrobe, armchair, bed frame, desk, coffee table",
}
WORDS = {name: " ".join(text.split()).replace("/ ", "/").split(", ") for name, text in _TABLES.items()}
MONTHS = WORDS["month"]
_IN_WORDS = {number: word for word, number in UNDER_HUNDRED.items()}


def number_words(number: int) -> str:
    """A whole number below a million in words: 25 is `twenty-five`."""
    if number < 0:
        return "minus " + number_words(-number)
    if number in _IN_WORDS:
        return _IN_WORDS[number]
    if number < 100:
        return f"{_IN_WORDS[number - number % 10]}-{_IN_WORDS[number % 10]}"
    for size, name in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = f" {number_words(number % size)}" if number % size else ""
            return f"{number_words(number // size)} {name}{rest}"
    raise AssertionError(number)


def compose(kind: str, rng: random.Random) -> str:
    """A new proper noun, code or text of a kind in [`COMPOSED`]."""
    return COMPOSED[kind](rng)


def _pick(kind: str, rng: random.Random) -> str:
    return rng.choice(WORDS[kind])


def _person(rng: random.Random) -> str:
    return f"{_pick('first', rng)} {_pick('last', rng)}"


def _title(rng: random.Random) -> str:
    a, b, adjective = _pick("thing", rng).title(), _pick("thing", rng).title(), _pick("adjective", rng).title()
    return rng.choice(
        (
            f"The {adjective} {a}",
            f"{adjective} {a}",
            f"The {a} of the {b}",
            f"{a} and {b}",
            f"{'An' if a[0] in 'AEIOU' else 'A'} {a} in {_pick('city', rng)}",
        )
    )


def _invented(rng: random.Random) -> str:
    """A word that nobody knows: Velkor, Marunda."""
    syllables = (
        "ka",
        "vel",
        "mar",
        "tor",
        "lin",
        "zan",
        "bre",
        "nor",
        "qui",
        "das",
        "fe",
        "run",
        "os",
        "pil",
        "gra",
        "xo",
    )
    return "".join(rng.sample(syllables, rng.randint(2, 3))).title()


def _company(rng: random.Random) -> str:
    return f"{rng.choice((_pick('last', rng), _pick('thing', rng).title(), _invented(rng)))} {_pick('suffix', rng)}"


def _code(rng: random.Random) -> str:
    """An identifier: ORD-48213, x7Kp2Q, 90417, usr_829."""
    letters, digits = string.ascii_uppercase, string.digits
    number = "".join(rng.choices(digits, k=rng.randint(3, 7)))
    style = rng.randrange(6)
    if style == 0:
        return f"{''.join(rng.choices(letters, k=rng.randint(1, 4)))}-{number}"
    if style == 1:
        return "".join(rng.choices(string.ascii_letters + digits, k=rng.randint(6, 12)))
    if style == 2:
        return f"{rng.choice(('usr', 'ord', 'item', 'evt', 'inv', 'doc', 'cus'))}_{number}"
    if style == 3:
        return f"{''.join(rng.choices(letters, k=rng.randint(1, 3)))}{number}"
    if style == 4:
        return f"{''.join(rng.choices(letters, k=2))}-{number[:3]}-{''.join(rng.choices(letters + digits, k=3))}"
    return number


def _address(rng: random.Random) -> str:
    street = f"{rng.randint(1, 999)} {rng.choice((_pick('street', rng), _pick('last', rng) + ' Street'))}"
    return street if rng.random() < 0.5 else f"{street}, {_pick('city', rng)}"


def _slug(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isascii() and letter.isalnum())


def _username(rng: random.Random) -> str:
    first = _slug(_pick("first", rng))
    return rng.choice(
        (f"{first}{rng.randint(1, 999)}", f"{first}_{_pick('thing', rng)}", f"{_pick('thing', rng)}{first}")
    )


def _email(rng: random.Random) -> str:
    host = rng.choice(("example.com", "example.org", "mail.example.com", f"{_slug(_company(rng))}.example"))
    return f"{_slug(_pick('first', rng))}.{_slug(_pick('last', rng))}@{host}"


def _url(rng: random.Random) -> str:
    host = rng.choice(
        ("https://www.example.com", "https://example.org", "http://blog.example.net", "https://api.example.com")
    )
    return f"{host}/{_pick('thing', rng)}" + rng.choice(
        ("", "s", f"/{rng.randint(1, 999)}", ".html", f"-{_pick('thing', rng)}")
    )


def _phone(rng: random.Random) -> str:
    a, b, c = rng.randint(200, 989), rng.randint(100, 999), rng.randint(0, 9999)
    return rng.choice((f"+1-{a}-555-{c:04}", f"({a}) 555-{c:04}", f"+44 20 {c:04} {b}0", f"{a}-555-{c:04}"))


def _text(rng: random.Random) -> str:
    fact = _pick("fact", rng)
    if rng.random() < 0.3:
        return rng.choice(
            (
                f"Hello {_pick('first', rng)}",
                f"The {_pick('adjective', rng)} {_pick('thing', rng)} is near {_pick('city', rng)}",
            )
        )
    return fact if rng.random() < 0.7 else fact + rng.choice((".", "!"))


def _query(rng: random.Random) -> str:
    kind = rng.choice(("topic", "product", "food", "figure", "event"))
    word = _pick(kind, rng)
    return (
        rng.choice((word, f"best {word}", f"{word} near me", f"history of {word}", word)) if kind == "topic" else word
    )


COMPOSED = {
    "person": _person,
    "title": _title,
    "invented": _invented,
    "firm": _company,
    "code": _code,
    "address": _address,
    "username": _username,
    "email": _email,
    "url": _url,
    "phone": _phone,
    "text": _text,
    "query": _query,
    "ip": lambda rng: ".".join(str(rng.randint(1, 254)) for _ in range(4)),
    "zip": lambda rng: f"{rng.randint(501, 99950):05}",
    "hex": lambda rng: f"#{rng.randrange(1 << 24):06X}",
    "version": lambda rng: f"{rng.randint(0, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}",
    "password": lambda rng: f"{_invented(rng)}{rng.randint(10, 9999)}{rng.choice('!?#')}",
    "isbn": lambda rng: f"978{rng.randrange(10**10):010}",
    "uuid": lambda rng: "-".join("".join(rng.choices("0123456789abcdef", k=k)) for k in (8, 4, 4, 4, 12)),
    "coordinates": lambda rng: f"{rng.uniform(-89, 89):.4f}, {rng.uniform(-179, 179):.4f}",
    "dna": lambda rng: "".join(rng.choices("ACGT", k=rng.randint(6, 16))),
}
