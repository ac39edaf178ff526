"""Invented tools, so that training is not bound to the tools of public sets, whose arguments are mostly strings.

Two kinds: those of a written list, many with requests of their own, and what is done with things (bookings, houses,
workouts) by their attributes. Names, arguments, their order, extras and descriptions vary from one drawing to the
next, so that there are many thousand distinct tools.
"""

import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from .arguments import words_of
from .mentions import article
from .phrasing import Target
from .words import WORDS

# domain.name: what it does | arguments | requests…
# An argument is name:type, optional with a ? after the type. Types: i integer, n number, s string, b boolean, d date,
# (a/b/c) one of these; [i], [n], [s] and [(a/b)] lists of them. `@` gives a number's unit, `=` what it describes.
_LISTED = """
geometry.triangle_area: Calculate the area of a triangle | base:n@meters height:n@meters | What is the area of a triangle with base {base} and height {height}? | A triangle has a base of {base} and a height of {height}. What is its area?
geometry.triangle_area_from_sides: Calculate the area of a triangle from the lengths of its three sides | side_a:n side_b:n side_c:n | How big is a triangle whose sides are {side_a}, {side_b} and {side_c}?
geometry.circle_area: Calculate the area of a circle | radius:n@centimeters | What's the area of a circle with a radius of {radius}?
geometry.circle_circumference: Compute the circumference of a circle | radius:n@meters precision:i? | How long is the circumference of a circle with radius {radius}?
geometry.rectangle_perimeter: Calculate the perimeter of a rectangle | length:n@meters width:n@meters | I have a rectangular field, {length} long and {width} wide. What's its perimeter?
geometry.rectangle_area: Calculate the area of a rectangle | length:n width:n | How much area does a {length} by {width} rectangle cover?
geometry.cylinder_volume: Calculate the volume of a cylinder | radius:n@centimeters height:n@centimeters | How much fits into a cylinder with a radius of {radius} and a height of {height}?
geometry.sphere_surface: Compute the surface area of a sphere | radius:n@meters | What surface area does a ball of radius {radius} have?
geometry.cone_volume: Find the volume of a cone | base_radius:n height:n pi_approximation:b? | What is the volume of a cone whose base radius is {base_radius} and height {height}?
geometry.hypotenuse: Compute the hypotenuse of a right triangle | leg_a:n leg_b:n | The legs of a right triangle are {leg_a} and {leg_b}. How long is the hypotenuse?
geometry.point_distance: Compute the distance between two points in the plane | x1:n y1:n x2:n y2:n | How far apart are the points ({x1}, {y1}) and ({x2}, {y2})?
geometry.midpoint: Find the midpoint of a line segment | start:[n]=coordinates_of_the_first_point end:[n]=coordinates_of_the_second_point
geometry.polygon_angles: Calculate the sum of the interior angles of a polygon | sides:i=number_of_sides | What do the interior angles of a polygon with {sides} sides add up to?
geometry.rotate_shape: Rotate a shape by an angle | shape:s angle:n@degrees clockwise:b? | Turn the {shape} by {angle}
geometry.scale_shape: Scale a shape by a factor | shape:s factor:n keep_center:b? | Make the {shape} {factor} times as large
math.gcd: Find the greatest common divisor of two integers | a:i b:i | What is the GCD of {a} and {b}? | gcd of {a} and {b}
math.lcm: Find the least common multiple of a list of integers | numbers:[i] | What's the least common multiple of {numbers}?
math.factorial: Compute the factorial of a number | number:i | What is {number} factorial? | {number}! = ?
math.prime_check: Check whether a number is prime | number:i | Is {number} a prime number? | Can you tell me whether {number} is prime?
math.prime_factors: Find the prime factors of a number | number:i distinct:b? | Which primes is {number} made of?
math.power: Raise a number to a power | base:n exponent:n modulus:i? | What is {base} to the power of {exponent}? | Compute {base}^{exponent}
math.sqrt: Compute the square root of a number | number:n precision:i? | What is the square root of {number}?
math.logarithm: Compute the logarithm of a number | value:n base:n? | log of {value} please
math.add_numbers: Add a list of numbers | numbers:[n] | What do {numbers} add up to? | Sum of {numbers}
math.multiply: Multiply two numbers | first:n second:n | What's {first} times {second}? | {first} x {second}
math.divide: Divide one number by another | dividend:n divisor:n integer_division:b? | What is {dividend} divided by {divisor}?
math.solve_quadratic: Solve a quadratic equation of the form ax^2 + bx + c = 0 | a:n b:n c:n complex_roots:b? | Find the roots of a quadratic equation where a = {a}, b = {b} and c = {c} | What are the solutions of {a}x^2 + {b}x + {c} = 0?
math.derivative: Compute the derivative of a function | expression:s variable:s? point:n? | What is the derivative of {expression}?
math.integrate: Compute the definite integral of a function | expression:s lower_bound:n upper_bound:n method:(trapezoid/simpson/midpoint)? | Integrate {expression} from {lower_bound} to {upper_bound}
math.matrix_multiply: Multiply two vectors element by element | vector_a:[n] vector_b:[n]
math.fibonacci: Generate the Fibonacci sequence | count:i=number_of_terms_to_generate start_at_zero:b? | Give me the first {count} Fibonacci numbers
math.arithmetic_sequence: Generate an arithmetic sequence | first_term:n difference:n terms:i | List {terms} terms of the arithmetic sequence that starts at {first_term} and goes up by {difference}
math.random_integers: Generate random integers | minimum:i maximum:i count:i? seed:i? | Give me a random number between {minimum} and {maximum}
math.round_number: Round a number to a number of decimal places | number:n decimals:i | Round {number} to {decimals} decimal places
math.base_conversion: Convert a number from one base to another | number:s=number_to_convert from_base:i to_base:i
math.percentage_of: Calculate a percentage of a number | percentage:n number:n | How much is {percentage} of {number}?
math.percentage_change: Calculate the percentage change between two values | old_value:n new_value:n | By how many percent did it change from {old_value} to {new_value}?
math.combinations: Compute the number of ways to choose k items from n items | n:i k:i | How many ways are there to pick {k} out of {n}?
math.evaluate_polynomial: Evaluate a polynomial | coefficients:[n]=coefficients_from_the_highest_degree x:n
physics.kinetic_energy: Calculate the kinetic energy of a moving object | mass:n@kilograms velocity:n@m/s | What's the kinetic energy of an object of {mass} moving at {velocity}?
physics.potential_energy: Calculate the gravitational potential energy of an object | mass:n@kilograms height:n@meters gravity:n?@m/s^2
physics.final_velocity: Calculate the final velocity of an object | initial_velocity:n@m/s acceleration:n@m/s^2 time:n@seconds | A car starts at {initial_velocity} and accelerates at {acceleration} for {time}. How fast is it then?
physics.free_fall_time: Calculate how long an object falls from a height | height:n@meters initial_velocity:n?@m/s air_resistance:b? | How long does it take to fall from {height}?
physics.force: Calculate the force on an object | mass:n@kilograms acceleration:n@m/s^2 | What force accelerates {mass} at {acceleration}?
physics.ohms_law: Calculate the voltage across a resistor | current:n@amperes resistance:n@ohms | What's the voltage when a current of {current} flows through {resistance}?
physics.projectile_range: Calculate the range of a projectile | velocity:n@m/s angle:n@degrees gravity:n? | How far does a ball fly when thrown at {velocity} and an angle of {angle}?
physics.lens_focus: Compute the image distance of a lens | focal_length:n@centimeters object_distance:n@centimeters
physics.electric_field: Calculate the electric field strength at a distance from a charge | charge:n@coulombs distance:n@meters medium:(vacuum/air/water)?
physics.wave_speed: Compute the speed of a wave | frequency:n@hertz wavelength:n@meters | How fast is a wave of {frequency} with a wavelength of {wavelength}?
physics.density: Calculate the density of an object | mass:n volume:n unit:(g/cm3/kg/m3)? | {mass} of something takes up {volume}. What's its density?
physics.gas_pressure: Calculate the pressure of an ideal gas | moles:n temperature:n@kelvin volume:n@liters
physics.heat_required: Calculate the heat required to warm a substance | mass:n@kilograms substance:s start_temperature:n end_temperature:n
physics.escape_velocity: Calculate the escape velocity of a planet | planet:s unit:(km/s/m/s)? | How fast must a rocket be to leave {planet}?
physics.pendulum_period: Compute the period of a pendulum | length:n@meters gravity:n?
chemistry.molar_mass: Calculate the molar mass of a compound | formula:s unit:(g/mol/kg/mol)? | What's the molar mass of {formula}?
chemistry.balance_equation: Balance a chemical equation | reactants:[s]=formulas_of_the_reactants products:[s]=formulas_of_the_products
chemistry.ph: Calculate the pH of a solution | concentration:n@moles acid_type:(strong/weak)? | What pH does a solution with a concentration of {concentration} have?
chemistry.dilute: Calculate how to dilute a solution | initial_concentration:n target_concentration:n final_volume:n@milliliters
chemistry.element_info: Get the properties of a chemical element | element:s property:(atomic_number/atomic_mass/melting_point/electronegativity)? | Tell me about the element {element}
chemistry.boiling_point: Get the boiling point of a substance | substance:s pressure:n?@atmospheres unit:(celsius/kelvin/fahrenheit)? | At what temperature does {substance} boil?
biology.cell_function: Get the function of a cell type | cell_type:s detail_level:(short/full)? | What does a {cell_type} do?
biology.gene_info: Retrieve information about a gene | gene:s organism:s? include_variants:b?
biology.population_growth: Estimate the growth of a population | initial_population:i growth_rate:n=growth_rate_per_year,_as_a_decimal years:i | If {initial_population} animals grow by {growth_rate} a year, how many are there after {years}?
biology.species_lookup: Look up facts about an animal species | species:s facts:[(habitat/diet/lifespan/size)]? | What can you tell me about the {species}?
biology.dna_complement: Find the complement of a DNA sequence | sequence:s reverse:b? | Give me the complement of {sequence}
biology.plant_water: Calculate how much water a plant needs | plant:s pot_size:n@liters temperature:n?@celsius indoors:b
statistics.mean: Calculate the mean of a list of numbers | values:[n] weights:[n]? | What's the average of {values}? | Average {values} for me
statistics.median: Find the median of a data set | data:[n] | Median of {data}? | What is the median of {data}?
statistics.standard_deviation: Calculate the standard deviation of numbers | values:[n] sample:b? | How much do {values} spread? Give me the standard deviation.
statistics.z_score: Calculate the z-score of a value | value:n mean:n std_dev:n | How many standard deviations is {value} from a mean of {mean} if the standard deviation is {std_dev}?
statistics.correlation: Compute the correlation between two variables | x:[n] y:[n] method:(pearson/spearman/kendall)?
statistics.linear_regression: Fit a line to data points | x_values:[n] y_values:[n] predict_at:n? intercept:b?
statistics.binomial_probability: Calculate the probability of a number of successes | trials:i successes:i probability:n=probability_of_success_in_one_trial | What are the chances of {successes} successes in {trials} trials if each succeeds with probability {probability}?
statistics.sample_size: Estimate the sample size of a survey | population:i margin_of_error:n=margin_of_error_as_a_fraction confidence_level:n=confidence_level_between_0_and_1
statistics.t_test: Perform a t-test on two samples | sample_a:[n] sample_b:[n] equal_variance:b? alpha:n?
statistics.random_sample: Draw a random sample from a distribution | distribution:(normal/uniform/exponential/poisson) size:i mean:n? seed:i?
statistics.dice: Simulate rolling dice | sides:i=number_of_sides_of_each_die rolls:i | Roll {rolls} dice with {sides} sides
finance.compound_interest: Calculate compound interest on an investment | principal:n rate:n=annual_interest_rate_in_percent years:i compounds_per_year:i? | How much will {principal} become at {rate} after {years}? | I want to put away {principal} at {rate} interest for {years}. What will I have?
finance.simple_interest: Calculate the simple interest on a loan | principal:n annual_rate:n=annual_rate_as_a_decimal time:n@years | How much simple interest do I pay on {principal} at {annual_rate} over {time}?
finance.mortgage_payment: Calculate the monthly payment of a mortgage | loan_amount:n interest_rate:n=annual_interest_rate_as_a_decimal,_e.g._0.04 loan_term:i@years down_payment:n? | What would I pay a month for a {loan_amount} mortgage at {interest_rate} over {loan_term}?
finance.currency_convert: Convert an amount from one currency to another | amount:n from_currency:s to_currency:s date:d? | How much is {amount} {from_currency} in {to_currency}? | Change {amount} {from_currency} to {to_currency}
finance.stock_price: Get the price of a stock | symbol:s exchange:(NASDAQ/NYSE/LSE/XETRA)? date:d? | What is {symbol} trading at? | Price of {symbol}?
finance.portfolio_return: Compute the return of a portfolio | initial_value:n final_value:n dividends:n? years:n?
finance.roi: Calculate the return on investment | invested:n=amount_invested returned:n=amount_returned | I invested {invested} and got back {returned}. What's the ROI?
finance.tip: Calculate the tip for a bill | bill:n=total_of_the_bill tip_percentage:n people:i? | What's a {tip_percentage} tip on {bill}?
finance.income_tax: Estimate income tax | income:n country:s? filing_status:(single/married/head_of_household)? deductions:n?
finance.retirement: Project retirement savings | current_age:i retirement_age:i monthly_contribution:n expected_return:n=expected_annual_return_in_percent current_savings:n? | I'm {current_age}, want to retire at {retirement_age} and save {monthly_contribution} a month. What will I have at {expected_return}?
finance.loan_eligibility: Check whether a person is eligible for a loan | income:n credit_score:i loan_amount:n employed:b
finance.break_even: Calculate the break-even point of a business | fixed_costs:n price_per_unit:n variable_cost_per_unit:n
finance.inflation_adjust: Adjust an amount for inflation | amount:n start_year:i end_year:i country:s? | What would {amount} from {start_year} be worth in {end_year}?
finance.dividend: Calculate the dividend paid to a shareholder | shares:i dividend_per_share:n tax_rate:n?=tax_rate_as_a_decimal
finance.transfer: Transfer money between two accounts | from_account:s to_account:s amount:n currency:(USD/EUR/GBP)? note:s? | Send {amount} from {from_account} to {to_account}
finance.depreciation: Calculate the yearly depreciation of an asset | cost:n salvage_value:n useful_life:i@years method:(straight_line/declining_balance)?
weather.current: Get the current weather for a location | location:s unit:(celsius/fahrenheit)? | How's the weather in {location}? | What's the weather like in {location}? | Is it raining in {location}?
weather.forecast: Get the weather forecast for a city | city:s days:i=number_of_days_to_forecast unit:(metric/imperial)? include_humidity:b? | What will the weather be in {city} over the next {days} days?
weather.historical: Retrieve the weather of a past date | city:s date:d metrics:[(temperature/humidity/wind_speed/precipitation)]? | What was the weather in {city} on {date}?
weather.air_quality: Get the air quality index of a city | city:s pollutant:(pm2_5/pm10/ozone/no2)? | How clean is the air in {city}?
weather.uv_index: Get the UV index at coordinates | latitude:n longitude:n date:d?
weather.sunrise: Get the time of sunrise and sunset | location:s date:d? | When does the sun rise in {location}?
weather.wind_chill: Calculate the wind chill | temperature:n@celsius wind_speed:n@km/h | How cold does {temperature} feel with a wind of {wind_speed}?
calendar.create_event: Create a calendar event | title:s date:d time:s?=start_time_in_HH:MM attendees:[s]? duration:i?@minutes reminder:b? | Put "{title}" in my calendar on {date}
calendar.days_between: Count the days between two dates | start_date:d end_date:d include_end:b? | How many days are there from {start_date} to {end_date}?
calendar.add_days: Add days to a date | date:d days:i | What date is {days} days after {date}?
calendar.set_alarm: Set an alarm | time:s=time_in_24-hour_HH:MM_form label:s? repeat:[(monday/tuesday/wednesday/thursday/friday/saturday/sunday)]? | Wake me up at {time}
calendar.set_timer: Set a timer | duration:i@minutes label:s? | Set a timer for {duration}
calendar.holidays: List the public holidays of a country | country:s year:i include_regional:b? | Which public holidays does {country} have in {year}?
calendar.time_convert: Convert a time between two time zones | time:s=time_in_HH:MM from_timezone:s to_timezone:s | What is {time} {from_timezone} in {to_timezone}?
calendar.day_of_week: Find the day of the week of a date | date:d | What weekday was {date}?
travel.flight_search: Search for flights | origin:s destination:s departure_date:d return_date:d? passengers:i? cabin_class:(economy/premium_economy/business/first)? direct_only:b? | I want to fly from {origin} to {destination} on {departure_date} | Any flights from {origin} to {destination} on {departure_date}?
travel.hotel_book: Book a hotel room | city:s check_in:d check_out:d guests:i room_type:(single/double/suite)? breakfast:b? max_price:n? | I need a hotel in {city} from {check_in} to {check_out} for {guests} people
travel.distance: Calculate the distance between two cities | origin:s destination:s unit:(km/miles)? mode:(driving/walking/flying)? | How far is it from {origin} to {destination}? | What's the distance between {origin} and {destination}?
travel.route: Plan a route between two places | start_location:s end_location:s avoid:[(tolls/highways/ferries)]? transport:(car/bike/foot/transit)? | How do I get from {start_location} to {end_location}?
travel.travel_time: Estimate the travel time of a trip | distance:n@kilometers speed:n@km/h stops:i? | How long do I need for {distance} at {speed}?
travel.fuel_cost: Estimate the fuel cost of a trip | distance:n@kilometers consumption:n=liters_per_100_kilometers fuel_price:n | What will the petrol cost for {distance} if my car uses {consumption} liters and a liter costs {fuel_price}?
travel.car_rental: Find rental cars | location:s pickup_date:d days:i car_type:(economy/suv/luxury/van)? automatic:b? | I need to rent a car in {location} for {days} days from {pickup_date}
travel.visa_check: Check the visa requirements of a country | nationality:s destination:s stay_length:i?@days
travel.train_times: Find train connections | from_station:s to_station:s date:d bikes:b? first_class:b?
travel.attractions: Find tourist attractions in a city | city:s interests:[(museums/parks/food/nightlife/history)]? limit:i? free_only:b? | What can I see in {city}?
travel.currency_needed: Estimate the budget of a trip | destination:s days:i travelers:i? style:(budget/standard/luxury)?
food.recipe_search: Search for recipes | ingredients:[s] cuisine:s? max_time:i?@minutes vegetarian:b? | What can I cook with {ingredients}?
food.nutrition: Get the nutrition facts of a food | food:s amount:n?@grams nutrients:[(calories/protein/fat/carbs/fiber)]? | How healthy is {food}?
food.convert_measure: Convert a cooking measure | amount:n from_unit:(cup/tablespoon/teaspoon/ounce) to_unit:(milliliter/gram/liter) ingredient:s? | How much is {amount} {from_unit} in {to_unit}?
food.restaurants: Find restaurants | location:s cuisine:s? price_level:i?=price_level_from_1_to_4 open_now:b? rating:n? | Where can I eat in {location}?
food.order: Order food for delivery | restaurant:s items:[s] address:s quantity:i? leave_at_door:b?
food.scale_recipe: Scale a recipe to another number of servings | recipe:s servings:i original_servings:i? | I need {recipe} for {servings} people
food.meal_plan: Create a meal plan | days:i calories:i=calories_per_day diet:(vegan/vegetarian/keto/paleo/none)? exclude:[s]?=ingredients_to_leave_out
health.bmi: Calculate the body mass index | weight:n@kilograms height:n@centimeters | My weight is {weight} and I'm {height} tall. What's my BMI?
health.calories_burned: Estimate the calories burned by an exercise | activity:s duration:i@minutes weight:n@kilograms intensity:(low/moderate/high)? | How many calories do I burn with {duration} of {activity} at {weight}?
health.heart_rate_zone: Calculate the target heart rate | age:i resting_heart_rate:i? intensity:n?=intensity_as_a_fraction | What should my heart rate be at age {age}?
health.daily_calories: Calculate the daily calorie need of a person | age:i weight:n@kilograms height:n@centimeters gender:(male/female) activity_level:(sedentary/light/moderate/active)? | I'm a {gender} of {age}, {weight} and {height}. How much should I eat a day?
health.appointment: Book an appointment with a doctor | doctor:s date:d time:s? reason:s? first_visit:b?
health.drug_interactions: Check drugs for interactions | drugs:[s] age:i? pregnant:b? | Can I take {drugs} together?
health.symptom_check: Check symptoms for possible conditions | symptoms:[s] age:i duration_days:i? smoker:b?
health.dosage: Calculate the dose of a drug | drug:s weight:n@kilograms dose_per_kg:n@milligrams
health.water_intake: Recommend the daily water intake | weight:n@kilograms exercise_minutes:i? hot_climate:b?
health.log_sleep: Record a night of sleep | date:d hours:n quality:i=quality_from_1_to_5 | I slept {hours} hours on {date}, quality {quality}
sport.match_result: Get the result of a match | team:s opponent:s? date:d? | How did {team} play? | What was the score when {team} played?
sport.player_stats: Get the statistics of a player | player:s season:i stat:(goals/assists/points/rebounds)? playoffs:b? | How did {player} do in {season}?
sport.standings: Get the standings of a league | league:s season:i? top:i? | Show me the table of the {league}
sport.pace: Calculate a running pace | distance:n@kilometers time:n@minutes | I ran {distance} in {time}. What was my pace?
sport.schedule: Get the upcoming games of a team | team:s games:i?=number_of_games home_only:b? | When do {team} play next?
sport.workout: Create a workout | goal:(strength/endurance/flexibility/weight_loss) minutes:i equipment:[s]? level:(beginner/intermediate/advanced)?
sport.book_court: Book a court | sport:s date:d start_hour:i players:i indoor:b?
music.play: Play a song | song:s artist:s? shuffle:b? volume:i? | Play {song} | I want to hear {song}
music.playlist: Create a playlist | name:s genre:s? mood:s? length:i?=number_of_songs public:b? | Make me a playlist called {name}
music.concerts: Find concerts | artist:s city:s? max_price:n? date:d? | When does {artist} play near me?
music.transpose: Transpose a chord progression | chords:[s]=chords,_such_as_C,_Am,_F,_G semitones:i
music.chord: Get the notes of a chord | root:(C/D/E/F/G/A/B) quality:(major/minor/diminished/augmented) inversion:i? | Which notes are in a {root} {quality} chord?
music.metronome: Start a metronome | bpm:i=beats_per_minute beats_per_measure:i? accent:b? | Give me a click at {bpm} bpm
music.lyrics: Find the lyrics of a song | song:s artist:s? translate_to:s? | What are the words of {song}?
music.royalties: Calculate the royalties of a song | streams:i rate_per_stream:n share:n?=artist's_share_as_a_fraction
movies.search: Search for movies | genre:s? year:i? min_rating:n? actor:s? streaming:b?
movies.details: Get details of a movie | title:s year:i? include_cast:b? | Tell me about the movie {title} | What's {title} about?
movies.tickets: Buy movie tickets | movie:s cinema:s date:d tickets:i seats:(front/middle/back)? three_d:b? | {tickets} tickets for {movie} at {cinema} on {date}, please
books.search: Find books | author:s? title:s? genre:s? published_after:i? language:s?
books.reading_time: Estimate the reading time of a book | pages:i words_per_page:i? reading_speed:i?=words_per_minute | How long does it take to read {pages} pages?
books.loan: Borrow a book from the library | title:s member_id:s weeks:i? | I'd like to borrow {title}, my card is {member_id}
games.create_character: Create a character of a role-playing game | name:s class:(warrior/mage/rogue/healer) level:i? strength:i? magic:i? | Make a {class} named {name}
games.roll: Roll dice | count:i=number_of_dice sides:i modifier:i? | Roll {count} dice with {sides} sides each
games.leaderboard: Get the leaderboard of a game | game:s limit:i? region:(eu/us/asia)? friends_only:b? | Who is leading in {game}?
games.chess_move: Suggest a chess move | position:s=position_in_FEN depth:i? time_limit:n?@seconds
games.shuffle_deck: Shuffle and deal cards | players:i cards_per_player:i jokers:b? | Deal {cards_per_player} cards to each of {players} players
games.word_score: Score a word | word:s multiplier:i? | What's {word} worth?
games.add_xp: Add experience points to a player | player_id:s points:i reason:s?
shopping.search: Search for products | query:s max_price:n? min_price:n? brand:s? in_stock:b? sort_by:(price/rating/newest)? | I'm looking for {query}
shopping.cart_add: Add a product to the cart | product:s quantity:i color:s? size:(S/M/L/XL)? gift_wrap:b? | Add {quantity} {product} to my cart
shopping.discount: Calculate the price after a discount | price:n discount:n=discount_in_percent tax:n?=sales_tax_in_percent | What does a {price} item cost after {discount} off?
shopping.track: Track an order | order_id:s email:s? notify:b? | Where is my order {order_id}? | Any news about {order_id}?
shopping.return: Return a product | order_id:s reason:(damaged/wrong_item/not_needed/late) refund:b? | I want to send back {order_id}
shopping.compare: Compare products | products:[s] criteria:[(price/quality/weight/battery/warranty)]? | Which is better, {products}?
shopping.order: Order products | items:[{product:s,quantity:i,price:n?}] express:b? coupon:s?
shopping.shipping_cost: Estimate the shipping cost of a parcel | weight:n@kilograms destination:s express:b? insured:b? value:n? | What does it cost to send {weight} to {destination}?
shopping.review: Write a product review | product:s rating:i=rating_from_1_to_5 text:s? anonymous:b? | I give the {product} {rating} stars
realestate.search: Search for homes | city:s bedrooms:i? max_price:n? property_type:(house/apartment/condo)? pets:b? garden:b? | I'm looking for a place in {city}
realestate.estimate: Estimate the value of a property | area:n@square_feet bedrooms:i bathrooms:i? year_built:i? city:s renovated:b? | What is a {bedrooms} bedroom home of {area} in {city} worth?
realestate.rent_split: Split the rent among roommates | rent:n roommates:i utilities:n? | We are {roommates} and pay {rent}. How much is it for each?
realestate.affordability: Calculate how much house one can afford | income:n debts:n down_payment:n rate:n=mortgage_rate_in_percent
realestate.viewing: Schedule a viewing of a property | property_id:s date:d time:s? agent:s? virtual:b?
law.case_search: Search for court cases | keyword:s court:s? start_year:i? end_year:i? landmark_only:b? | Find me cases about {keyword}
law.statute: Look up a law | topic:s jurisdiction:s section:i? | What does the law of {jurisdiction} say about {topic}?
law.lawyers: Find lawyers | specialty:s city:s max_fee:n? min_experience:i?@years | Who are good {specialty} lawyers in {city}?
law.fine: Calculate the fine for speeding | speed:n@km/h speed_limit:n@km/h school_zone:b? repeat_offender:b? | I was caught at {speed} where {speed_limit} is allowed. What will it cost me?
law.contract: Draft a contract | parties:[s] contract_type:(lease/employment/nda/sale) start_date:d duration_months:i?
law.case_details: Get the details of a case | case_number:s include_documents:b? | Case {case_number}: what happened?
facts.capital: Get the capital of a country | country:s | What is the capital of {country}? | Which city is the capital of {country}?
facts.population: Get the number of people who live in a country | country:s year:i? | How many people live in {country}? | What's the population of {country}?
facts.ruler: Find out who governed a country in a year | country:s year:i title:(president/king/prime_minister/emperor)? full_name:b? | Who ruled {country} in {year}? | Who was in power in {country} in {year}? | In {year}, who governed {country}?
facts.currency_of: Get the currency of a country | country:s | What do people pay with in {country}? | What money is used in {country}?
facts.languages: List the languages spoken in a country | country:s official_only:b? | Which languages do they speak in {country}?
facts.borders: List the neighbors of a country | country:s | Which countries border {country}?
facts.author: Find who wrote a book | book:s include_year:b? | Who wrote {book}? | Who is the author of {book}?
facts.film_director: Find the director of a movie | movie:s year:i? | Who directed {movie}? | Whose film is {movie}?
facts.cast: List the actors of a movie | movie:s limit:i? | Who plays in {movie}? | Who starred in {movie}?
facts.song_release: Find out when a song was released | song:s artist:s? | When did {song} come out? | What year is {song} from?
facts.founding: Get when and by whom a company was founded | company:s include_founders:b? | When was {company} founded? | Who founded {company}?
facts.headquarters: Get the headquarters of a company | company:s | Where is {company} based? | Where are the headquarters of {company}?
facts.birth: Get the date and place of birth of a historical figure | figure:s include_place:b? | When was {figure} born? | Where was {figure} born?
facts.achievements: List what a historical figure is known for | figure:s field:(science/politics/arts/war)? limit:i? | What is {figure} known for? | What did {figure} do?
facts.battle: Get the outcome of a historical event | event:s detail:(short/full)? | Who won {event}? | How did {event} end?
facts.planet_distance: Get how far a planet is from the sun | planet:s unit:(km/miles/au)? | How far is {planet} from the sun?
facts.moons: Count the moons of a planet | planet:s | How many moons does {planet} have?
facts.element_symbol: Get the symbol of a chemical element | element:s | What is the chemical symbol of {element}?
facts.lifespan: Get how long an animal lives | animal:s in_captivity:b? | How long does a {animal} live? | How old can a {animal} get?
facts.animal_diet: Get what an animal eats | animal:s | What does a {animal} eat?
facts.champion: Find the winner of a league in a year | league:s year:i | Who won the {league} in {year}? | Which team won the {league} in {year}?
facts.landmark_height: Get the height of a landmark | landmark:s unit:(meters/feet)? | How tall is {landmark}? | How high is {landmark}?
facts.museum_location: Get where a museum is | museum:s | Where is {museum}? | In which city is {museum}?
facts.painter: Find who made a work of art | artwork:s include_date:b? | Who painted {artwork}? | Who made {artwork}?
facts.symptoms: List the symptoms of a disease | disease:s | What are the symptoms of {disease}? | How does one notice {disease}?
facts.side_effects: List the side effects of a drug | drug:s severe_only:b? | What are the side effects of {drug}? | Is {drug} dangerous?
facts.nutrition: Get how many calories a food has | food:s grams:i? | How many calories does {food} have? | Is {food} fattening?
facts.definition: Get the definition of a topic | topic:s audience:(children/adults/experts)? | What is {topic}? | What does {topic} mean?
facts.sport_rules: List the rules of a sport | sport:s | How is {sport} played? | What are the rules of {sport}?
history.event_date: Find when a historical event took place | event:s include_location:b? | When was {event}?
history.figure: Get a biography of a historical figure | name:s detail:(short/full)? language:s? | Who was {name}?
history.timeline: Build a timeline of a period | country:s start_year:i end_year:i events:i?=number_of_events | What happened in {country} between {start_year} and {end_year}?
history.inventions: List the inventions of a century | century:i country:s? limit:i?
history.artwork: Get information about a work of art | title:s artist:s? include_image:b? | Who painted {title}?
database.query: Query a table of a database | table:s columns:[s]? limit:i? order_by:s? descending:b? | Show me everything in the {table} table
database.insert: Insert a user into the database | name:s age:i email:s active:b?
database.update_record: Update a record | table:s record_id:i column:s value:s | Set {column} of record {record_id} in {table} to {value}
database.delete_rows: Delete rows of a table | table:s older_than_days:i dry_run:b? | Remove everything older than {older_than_days} days from {table}
database.backup: Back up a database | database:s destination:s compress:b? keep:i?=number_of_backups_to_keep
database.create_index: Create an index on a table | table:s columns:[s] unique:b?
files.find: Find files | folder:s extension:s? min_size:n?@megabytes recursive:b? | Which files are there in {folder}?
files.rename: Rename a file | path:s new_name:s overwrite:b? | Rename {path} to {new_name}
files.compress: Compress files into an archive | files:[s] archive:s format:(zip/tar/7z)? level:i? password:s? | Pack {files} into {archive}
files.copy: Copy a file to a folder | source:s destination:s overwrite:b? | Copy {source} to {destination}
files.resize_image: Resize an image | image:s width:i@pixels height:i@pixels keep_ratio:b? format:(png/jpg/webp)? | Make {image} {width} by {height}
files.convert: Convert a file to another format | file:s target_format:(pdf/docx/html/txt/csv) quality:i? | Turn {file} into {target_format}
files.permissions: Change the permissions of a file | path:s mode:i=permissions_in_octal,_such_as_755 recursive:b?
network.ping: Ping a host | host:s count:i? timeout:n?@seconds | Is {host} up?
network.port_scan: Scan the ports of a host | host:s ports:[i] protocol:(tcp/udp)? timeout:i?@milliseconds | Which of the ports {ports} are open on {host}?
network.download_time: Estimate the time of a download | size:n@gigabytes speed:n=speed_in_megabits_per_second | How long does {size} take at {speed} Mbit/s?
network.dns: Look up the DNS records of a domain | domain:s record_type:(A/AAAA/MX/TXT/CNAME)? | DNS of {domain}
network.subnet: Calculate the addresses of a subnet | ip_address:s prefix_length:i
network.firewall_rule: Add a rule to the firewall | port:i action:(allow/deny) protocol:(tcp/udp/icmp)? source_ip:s? log:b? | {action} port {port}
cloud.create_server: Create a virtual server | name:s cpus:i memory:i@gigabytes region:(us-east/us-west/eu-central/ap-south)? backups:b? | I need a server called {name} with {cpus} CPUs and {memory} of memory
cloud.scale: Scale a service | service:s replicas:i min_replicas:i? autoscale:b? | Run {service} with {replicas} replicas
cloud.deploy: Deploy an application | app:s version:s environment:(staging/production/test) dry_run:b? | Deploy {app} {version} to {environment}
cloud.cost: Estimate the monthly cost of storage | storage:n@gigabytes requests:i? tier:(hot/cold/archive)?
home.light: Control a light | room:s brightness:i? color:s? on:b
home.thermostat: Set the thermostat | temperature:n room:s? mode:(heat/cool/auto/off)? unit:(celsius/fahrenheit)? | Make it {temperature} in here
home.lock: Lock or unlock a door | door:s=door,_such_as_front_door,_garage_or_back_door locked:b auto_lock_minutes:i?
home.vacuum: Start the robot vacuum | rooms:[s] power:(quiet/normal/turbo)? mop:b? | Vacuum the {rooms}
home.blinds: Move the blinds | room:s position:i=position_from_0_(closed)_to_100_(open) | Blinds in the {room} to {position}
home.scene: Activate a scene | scene:(movie_night/good_morning/away/party/dinner) delay:i?@minutes
home.energy: Calculate the energy use of an appliance | power:n@watts hours_per_day:n days:i price_per_kwh:n? | My heater draws {power} for {hours_per_day} hours a day. What does it use in {days} days?
home.oven: Preheat the oven | temperature:i@celsius minutes:i? fan:b? | Heat the oven to {temperature}
messaging.send_email: Send an email | to:s=email_address_of_the_recipient subject:s body:s cc:[s]?=email_addresses priority:(low/normal/high)? | Email {to} about "{subject}" and write: {body}
messaging.send_sms: Send a text message | phone_number:s message:s | Text {phone_number}: {message}
messaging.post: Post on social media | platform:(twitter/facebook/instagram/linkedin) text:s hashtags:[s]? schedule_for:d? | Post {text} on {platform}
messaging.remind: Set a reminder | text:s=what_to_remind_of date:d time:s?=HH:MM repeat:(never/daily/weekly/monthly)?
messaging.call: Call a contact | contact:s video:b? speaker:b? | Call {contact} | Ring {contact} for me
messaging.translate: Translate a text | text:s target_language:s source_language:s? formal:b? | How do you say {text} in {target_language}? | Translate {text} to {target_language}
text.summarize: Summarize a text | text:s max_words:i? style:(bullets/paragraph)? | Shorten this: {text}
text.count_words: Count the words of a text | text:s ignore_case:b? unique:b? | How many words are in {text}?
text.sentiment: Analyze the sentiment of a text | text:s language:s? detailed:b? | Is {text} positive or negative?
text.replace: Replace a word in a text | text:s=text_to_change old_word:s=word_to_replace new_word:s=replacement case_sensitive:b?
text.reverse: Reverse a string | text:s keep_case:b? | Write {text} backwards
text.sort_words: Sort a list of words | words:[s] order:(ascending/descending) unique:b? | Sort {words} in {order} order
text.password: Generate a password | length:i symbols:b? digits:b? count:i? | I need a new password of {length} characters
text.encrypt: Encrypt a text | text:s algorithm:(aes/rsa/caesar) key:s?
text.define: Look up the definition of a word | word:s language:s? examples:i? | What does {word} mean?
data.sort_numbers: Sort a list of numbers | numbers:[n] order:(ascending/descending)? | Put {numbers} in order
data.filter: Filter numbers by a threshold | values:[n] threshold:n above:b?
data.normalize: Normalize a list of values | values:[n] method:(min_max/z_score)? lower:n? upper:n?
data.plot: Draw a chart | chart_type:(line/bar/pie/scatter) values:[n] labels:[s]? title:s? legend:b? | Make a {chart_type} chart of {values}
data.cluster: Cluster a data set | dataset:s clusters:i=number_of_clusters max_iterations:i? normalize:b? | Split {dataset} into {clusters} clusters
data.train_model: Train a model on a data set | dataset:s model:(linear_regression/random_forest/neural_network/svm) target:s=target_column test_size:n?=fraction_of_the_data_for_testing epochs:i? shuffle:b?
data.histogram: Count values in bins | values:[n] bins:i density:b?
education.grade: Calculate the final grade of a student | scores:[n] weights:[n]? drop_lowest:b? | My scores are {scores}. What's my grade?
education.gpa: Calculate a grade point average | grades:[n] credits:[i]
education.enroll: Enroll a student in a course | student_id:s course:s semester:(spring/summer/fall/winter) year:i audit:b? | Sign {student_id} up for {course} in {semester} {year}
education.quiz: Create a quiz | topic:s questions:i=number_of_questions difficulty:(easy/medium/hard)? multiple_choice:b? | Quiz me on {topic} with {questions} questions
education.tutors: Find a tutor | subject:s level:(school/university/adult)? max_price:n? online:b? | Who can teach me {subject}?
jobs.search: Search for jobs | title:s location:s? salary_min:n? remote:b? experience:i?@years | Any openings for a {title} in {location}?
jobs.salary: Convert an hourly wage to a yearly salary | hourly_wage:n hours_per_week:n weeks:i? | What's {hourly_wage} an hour for {hours_per_week} hours a week in a year?
jobs.leave: Request leave from work | employee_id:s start_date:d end_date:d leave_type:(vacation/sick/parental) half_day:b?
jobs.add_employee: Add an employee | name:s position:s salary:n start_date:d remote:b? skills:[s]?
jobs.meeting: Schedule a meeting | topic:s participants:[s] date:d duration:i@minutes online:b? | Set up a meeting about {topic} with {participants} on {date}, {duration} long
astronomy.planet: Get a property of a planet | planet:s property:(mass/radius/gravity/moons/day_length) unit:s? | What's the {property} of {planet}?
astronomy.moon_phase: Get the phase of the moon | date:d location:s? | What will the moon look like on {date}?
astronomy.weight_on: Calculate the weight of a person on another planet | weight:n@kilograms planet:s | How heavy would I be on {planet} with {weight}?
astronomy.iss: Find when the space station passes | latitude:n longitude:n passes:i? min_elevation:i?@degrees
garden.planting: Find the best time to plant | plant:s region:s indoors:b? | When should I plant {plant} in {region}?
garden.fertilizer: Calculate the fertilizer for a field | area:n@square_meters nitrogen:n=grams_of_nitrogen_per_square_meter crop:s? organic:b?
garden.irrigate: Water the garden | zone:i minutes:i start_time:s?=HH:MM skip_if_rain:b? | Water zone {zone} for {minutes} minutes
construction.paint: Calculate how much paint is needed | wall_area:n@square_meters coats:i coverage:n?=square_meters_per_liter | How much paint do I need for {wall_area} and {coats} coats?
construction.bricks: Estimate the bricks for a wall | wall_length:n@meters wall_height:n@meters brick_length:n?@centimeters waste:n?=waste_as_a_fraction
construction.concrete: Calculate the concrete for a slab | length:n@meters width:n@meters thickness:n@centimeters | How much concrete goes into a slab of {length} by {width}, {thickness} thick?
construction.tiles: Calculate the number of tiles for a floor | floor_area:n@square_meters tile_size:n@centimeters
environment.carbon: Estimate the carbon footprint of a trip | distance:n@kilometers transport:(car/train/bus/plane) passengers:i? | How much CO2 does {distance} by {transport} cause?
environment.solar: Estimate the yield of solar panels | panels:i panel_power:n@watts sun_hours:n=hours_of_sun_per_day efficiency:n?=efficiency_as_a_fraction | What do {panels} panels of {panel_power} yield at {sun_hours} hours of sun?
environment.recycling: Find out how to recycle a material | material:s city:s? | How do I get rid of {material}?
environment.earthquakes: List recent earthquakes | min_magnitude:n region:s? days:i? | Any earthquakes above {min_magnitude}?
units.length: Convert a length | value:n from_unit:(m/km/cm/mi/ft/in) to_unit:(m/km/cm/mi/ft/in) precision:i? | How much is {value} {from_unit} in {to_unit}?
units.temperature: Convert a temperature | value:n from_unit:(celsius/fahrenheit/kelvin) to_unit:(celsius/fahrenheit/kelvin) | What's {value} degrees {from_unit} in {to_unit}?
units.weight: Convert a weight | amount:n from_unit:(kg/lb/g/oz) to_unit:(kg/lb/g/oz) | {amount} {from_unit} to {to_unit}
images.generate: Generate an image | prompt:s=what_the_image_shows width:i?@pixels height:i?@pixels style:(photo/cartoon/watercolor/sketch)? count:i? | Draw me {prompt}
images.adjust: Adjust an image | image:s brightness:n? contrast:n? grayscale:b? rotate:i?@degrees
images.color_mix: Mix two colors | color_a:s color_b:s ratio:n? | What do I get from {color_a} and {color_b}?
vehicles.depreciate: Estimate the value of a used car | model:s year:i mileage:i@miles accidents:b? | What's my {year} {model} with {mileage} worth?
vehicles.charging: Calculate the charging time of an electric car | battery:n@kilowatt-hours charger_power:n@kilowatts start_percent:i? target_percent:i?
vehicles.fuel_economy: Calculate the fuel economy of a car | distance:n@miles fuel:n@gallons | I drove {distance} on {fuel}. What's my mileage?
vehicles.service: Book a car service | license_plate:s date:d service_type:(oil_change/tires/inspection/brakes) loaner_car:b?
events.tickets: Buy tickets for an event | event:s quantity:i section:(floor/balcony/vip)? max_price:n? | {quantity} tickets for {event}
events.plan: Plan a party | guests:i budget:n theme:s? date:d? outdoors:b? | Plan a party for {guests} guests with {budget}
events.rsvp: Answer an invitation | event_id:s attending:b guests:i? dietary_needs:[s]?
insurance.quote: Get a quote for insurance | insurance_type:(car/home/health/life) age:i coverage:n deductible:n? smoker:b? | What would {insurance_type} insurance with {coverage} of cover cost at age {age}?
insurance.claim: File an insurance claim | policy_number:s incident_date:d amount:n description:s injured:b?
marketing.campaign: Create an advertising campaign | name:s budget:n channels:[(email/social/search/tv)] start_date:d days:i? | Launch a campaign called {name} with {budget} on {channels} from {start_date}
marketing.conversion: Calculate a conversion rate | visitors:i conversions:i | {conversions} of {visitors} visitors bought something. What's the rate?
inventory.restock: Restock a product | sku:s quantity:i warehouse:s? urgent:b? | We need {quantity} more of {sku}
inventory.reorder_point: Calculate the reorder point of a product | daily_sales:n lead_time:i@days safety_stock:i?
pets.food: Calculate the daily food of a pet | animal:(dog/cat/rabbit) weight:n@kilograms age:n@years active:b? | How much should my {animal} of {weight} eat at {age}?
pets.age: Convert the age of a pet to human years | animal:(dog/cat/hamster) age:n | How old is a {age} year old {animal} in human years?
vision.glasses: Order glasses | left:n=lens_strength_of_the_left_eye right:n=lens_strength_of_the_right_eye frame_color:s? sunglasses:b?
genealogy.relatives: Find the relatives of a person | person:s generations:i include_spouses:b?
crypto.price: Get the price of a cryptocurrency | coin:s currency:s? | What's {coin} worth in {currency}? | Price of {coin}
crypto.swap: Swap one cryptocurrency for another | from_coin:s to_coin:s amount:n slippage:n?=maximum_slippage_as_a_fraction
"""  # noqa: E501

# A thing: attributes. What is done with them follows below.
_THINGS = """
booking: guest_name:s check_in:d check_out:d guests:i room_type:(single/double/suite) late_arrival:b special_requests:s
invoice: client:s amount:n due_date:d currency:(USD/EUR/GBP) items:[{name:s,quantity:i,unit_price:n}] tax_rate:n=tax_rate_in_percent paid:b
customer: name:s email:s phone:s city:s age:i newsletter:b loyalty_points:i
product: name:s price:n stock:i category:s weight:n@kilograms tags:[s] available:b color:s
workout: exercise:s sets:i repetitions:i weight:n@kilograms rest:i@seconds duration:i@minutes warm_up:b
recipe: title:s servings:i ingredients:[s] cooking_time:i@minutes difficulty:(easy/medium/hard) vegetarian:b cuisine:s
house: city:s price:n bedrooms:i bathrooms:i area:n@square_meters garden:b year_built:i garage:b
car: model:s year:i price:n mileage:i@kilometers color:s electric:b doors:i fuel:(petrol/diesel/electric/hybrid)
task: title:s due_date:d priority:(low/medium/high/urgent) assignee:s estimated_hours:n labels:[s] blocked:b
meeting: topic:s date:d start_time:s=time_in_HH:MM participants:[s] duration:i@minutes online:b room:s
event: name:s date:d city:s capacity:i ticket_price:n indoor:b category:(music/sport/art/business)
flight: origin:s destination:s date:d passengers:i cabin:(economy/business/first) max_price:n nonstop:b airline:s
hotel: city:s stars:i max_price:n amenities:[(pool/gym/wifi/parking/spa)] pets_allowed:b breakfast_included:b
restaurant: name:s city:s cuisine:s seats:i rating:n price_range:(cheap/moderate/expensive) outdoor_seating:b
reservation: name:s party_size:i date:d time:s=time_in_HH:MM table:i smoking:b
order: customer_id:s items:[{product:s,quantity:i}] address:s express:b payment_method:(card/cash/paypal) coupon:s total:n
shipment: tracking_number:s weight:n@kilograms origin:s destination:s insured:b carrier:s fragile:b
employee: name:s department:s salary:n hire_date:d remote:b skills:[s] manager:s vacation_days:i
student: name:s grade:i school:s birth_date:d average:n scholarship:b subjects:[s]
course: title:s instructor:s credits:i capacity:i level:(beginner/intermediate/advanced) online:b start_date:d
patient: name:s age:i weight:n@kilograms height:n@centimeters symptoms:[s] smoker:b blood_type:(A/B/AB/O)
prescription: patient:s drug:s dose:n@milligrams times_per_day:i days:i refill:b
book: title:s author:s year:i pages:i language:s genre:s price:n hardcover:b isbn:s
movie: title:s director:s year:i duration:i@minutes rating:n genres:[s] subtitles:b
song: title:s artist:s duration:i@seconds bpm:i explicit:b genre:s year:i
playlist: name:s songs:[s] public:b mood:s max_songs:i
game: title:s players:i min_age:i multiplayer:b platform:(pc/console/mobile) difficulty:i
player: name:s team:s position:s age:i goals:i height:n@centimeters injured:b
match: home_team:s away_team:s date:d home_score:i away_score:i overtime:b
server: name:s cpus:i memory:i@gigabytes region:(us-east/eu-west/asia-south) ports:[i] public:b disk:i@gigabytes
account: owner:s balance:n currency:s account_type:(checking/savings) overdraft:b interest_rate:n=interest_rate_as_a_decimal
loan: borrower:s amount:n rate:n=rate_in_percent term:i@years secured:b start_date:d
investment: symbol:s shares:i price:n date:d risk:(low/medium/high) reinvest:b
budget: name:s amount:n month:i year:i categories:[s] rollover:b
device: name:s room:s brightness:i power:b temperature:n schedule:s=time_in_HH:MM
sensor: id:s location:s interval:i@seconds threshold:n unit:(celsius/percent/lux) alerts:b
plant: species:s height:n@centimeters watering_days:i indoor:b sunlight:(full/partial/shade)
animal: species:s name:s age:n@years weight:n@kilograms vaccinated:b
trip: destination:s start_date:d days:i travelers:i budget:n activities:[s] insurance:b
ticket: event:s quantity:i price:n section:s refundable:b
report: title:s start_date:d end_date:d format:(pdf/html/csv) metrics:[s] charts:b pages:i
survey: title:s questions:[s] anonymous:b deadline:d max_responses:i
message: recipient:s text:s urgent:b channel:(email/sms/chat) attachments:[s]
contact: name:s phone:s email:s company:s birthday:d favorite:b
note: title:s text:s tags:[s] pinned:b color:s
file: name:s folder:s size:n@megabytes hidden:b extension:s
image: file:s width:i@pixels height:i@pixels format:(png/jpg/gif) transparent:b quality:i
dataset: name:s rows:i columns:[s] source:s cleaned:b missing_ratio:n=share_of_missing_values_as_a_fraction
experiment: name:s temperature:n@celsius duration:n@hours samples:i substances:[s] repeat:b
model: name:s learning_rate:n=learning_rate_as_a_decimal epochs:i batch_size:i layers:[i] dropout:n=dropout_as_a_fraction early_stopping:b
subscription: email:s plan:(free/basic/pro/enterprise) months:i auto_renew:b seats:i
coupon: code:s discount:n=discount_in_percent expires:d minimum_order:n single_use:b
auction: item:s starting_price:n reserve_price:n days:i shipping_included:b
donation: charity:s amount:n monthly:b donor:s anonymous:b
appointment: client:s date:d time:s=time_in_HH:MM service:(haircut/massage/consultation/checkup) duration:i@minutes first_visit:b
warehouse: city:s capacity:i refrigerated:b shelves:i items:[s]
vehicle_route: stops:[s] distance:n@kilometers avoid_tolls:b departure:s=time_in_HH:MM
policy: holder:s coverage:n premium:n deductible:n type:(home/car/life) active:b
case: title:s court:s filed:d plaintiff:s defendant:s closed:b
contract: party_a:s party_b:s value:n start_date:d months:i renewable:b
artwork: title:s artist:s year:i width:n@centimeters height:n@centimeters on_display:b
job: title:s company:s salary:n city:s remote:b skills:[s] experience:i@years
measurement: point:{x:n,y:n} depth:n@meters values:[n] calibrated:b
rectangle: corner:{x:n,y:n} width:n height:n color:s filled:b
"""  # noqa: E501

# what it does, in the name and in words; whether it needs a handle, wants most attributes, and is a search
_DEEDS = (
    ("create", "Create {a} {thing}", False, "most"),
    ("add", "Add {a} {thing}", False, "most"),
    ("register", "Register a new {thing}", False, "most"),
    ("save", "Save {a} {thing}", False, "most"),
    ("update", "Update {a} {thing}", True, "few"),
    ("edit", "Change the details of {a} {thing}", True, "few"),
    ("search", "Search for {things}", False, "few"),
    ("find", "Find {things}", False, "few"),
    ("list", "List {things}", False, "few"),
    ("filter", "Filter {things}", False, "few"),
    ("count", "Count the {things}", False, "few"),
    ("compare", "Compare {things}", False, "few"),
    ("delete", "Delete {a} {thing}", True, "none"),
    ("get", "Get the details of {a} {thing}", True, "none"),
    ("recommend", "Recommend {a} {thing}", False, "few"),
    ("estimate", "Estimate the value of {a} {thing}", False, "most"),
    ("validate", "Validate {a} {thing}", False, "most"),
    ("export", "Export {things}", False, "few"),
)
_EXTRAS = (
    "limit:i?=maximum_number_of_results", "sort_by:(name/date/price/relevance)?", "order:(asc/desc)?", "page:i?",
    "format:(json/csv/xml/pdf)?", "language:s?", "precision:i?=number_of_decimal_places", "verbose:b?", "dry_run:b?",
    "notify:b?=whether_to_send_a_notification", "timezone:s?", "include_history:b?", "include_details:b?",
    "unit:(metric/imperial)?",
    "max_results:i?", "cache:b?", "currency:s?", "email:s?", "country:s?", "tags:[s]?", "timeout:i?@seconds",
    "user_id:s?",
)  # fmt: skip
_UNITS = {
    "meters": ("m", "cm", "km", "ft"), "centimeters": ("cm", "m", "in", "mm"), "kilometers": ("km", "mi", "m"),
    "kilograms": ("kg", "lb", "g"), "m/s": ("m/s", "mph", "knots"), "minutes": ("minutes", "hours", "seconds"),
}  # fmt: skip
_KINDS = {"i": "integer", "n": "number", "s": "string", "b": "boolean", "d": "string"}
_RENAMED = {
    "location": ("city", "place", "location_name"), "city": ("location", "city_name", "town"), "days": ("num_days",
    "number_of_days"),
    "guests": ("num_guests", "number_of_guests", "party_size"), "limit": ("max_results", "top_n", "count"),
    "text": ("content", "input_text"),
    "date": ("day", "on_date", "event_date"), "numbers": ("values", "number_list", "nums"), "values": ("data",
    "numbers", "samples"),
    "radius": ("r", "radius_length"), "length": ("len", "l"), "amount": ("sum", "value", "amt"),
    "title": ("title_text", "full_title"),
    "number": ("n", "num", "value"), "mass": ("m", "object_mass"), "velocity": ("v", "speed"), "origin": ("from_city",
    "start", "departure_city"),
    "destination": ("to_city", "arrival_city", "dest"), "principal": ("principal_amount", "initial_investment"),
    "years": ("num_years", "time_years"),
    "quantity": ("qty", "count", "number"), "price": ("cost", "unit_price"), "rate": ("interest_rate", "annual_rate"),
    "weight": ("weight_kg", "body_weight"),
    "height": ("h",), "query": ("search_term", "keyword", "q"), "people": ("num_people", "persons"),
    "duration": ("duration_minutes", "length_minutes"),
    "country": ("country_name", "nation"), "max_price": ("budget", "price_limit", "maximum_price"),
    "distance": ("dist",),
}  # fmt: skip
_ARGUMENT = re.compile(
    r"(?P<name>\w+):(?P<type>\[?(?:\([^)]*\)|\{[^}]*\}|[insbd])\]?)(?P<optional>\??)(?:@(?P<unit>[\w/^-]+))?(?:=(?P<about>\S+))?$"
)


@cache
def _arguments(text: str) -> tuple[dict[str, str], ...]:
    found = []
    for part in text.split():
        match = _ARGUMENT.match(part)
        assert match, part
        found.append(match.groupdict(""))
    return tuple(found)


@cache
def listed() -> tuple[tuple[str, str, str, str, tuple[str, ...]], ...]:
    """(domain, name, what it does, arguments, requests)"""
    found = []
    for line in _LISTED.strip().splitlines():
        head, arguments, *asks = (part.strip() for part in line.split(" | "))
        name, _, about = head.partition(": ")
        domain, _, short = name.partition(".")
        found.append((domain, short, about, arguments.rstrip(" |"), tuple(ask for ask in asks if ask)))
    return tuple(found)


@cache
def _things() -> tuple[tuple[str, str], ...]:
    return tuple(tuple(line.split(": ", 1)) for line in _THINGS.strip().splitlines())  # type: ignore[misc]


def tools(rng: random.Random) -> Iterator[Target]:
    """Invented tools without end."""
    while True:
        yield _listed_tool(rng) if rng.random() < 0.6 else _made_tool(rng)


def _listed_tool(rng: random.Random) -> Target:
    domain, short, about, arguments, asks = rng.choice(listed())
    given = list(_arguments(arguments))
    if rng.random() < 0.2:
        given.append(*_arguments(rng.choice(_EXTRAS)))
    verb = about.split()[0].lower()
    words = short.split("_")
    if words[0] not in (verb, "set", "add", "create", "find", "send", "calculate", "get") and rng.random() < 0.7:
        words = [rng.choice((verb, verb, "get", "calc") if verb in ("calculate", "compute") else (verb,)), *words]
        words = words if len(words) < 2 or words[0] != words[1] else words[1:]
    elif verb in ("calculate", "compute") and rng.random() < 0.2:
        words = [*words, "calculator"]
    prefix = domain if rng.random() < 0.3 else ""
    measured = [one for one in given if one["unit"] in _UNITS]
    if measured and "unit" not in {one["name"] for one in given} and rng.random() < 0.5:  # in a unit of one's choice
        kind = rng.choice(("s", "s", f"({'/'.join(rng.sample(_UNITS[measured[0]['unit']], 3))})"))
        given = [{**one, "unit": "" if one["unit"] == measured[0]["unit"] else one["unit"]} for one in given]
        given.append({"name": "unit", "type": kind, "optional": "?", "unit": "", "about": measured[0]["unit"]})
    return _build(words, prefix, about, given, asks, rng, thing="")


def _made_tool(rng: random.Random) -> Target:
    thing, attributes = rng.choice(_things())
    deed, about, handle, wanted = rng.choice(_DEEDS)
    spoken = thing.replace("_", " ")
    many = (
        spoken[:-1] + "ies"
        if spoken.endswith("y") and spoken[-2] not in "aeiou"
        else spoken + ("es" if spoken.endswith(("s", "x", "ch")) else "s")
    )
    about = about.format(a=article(spoken), thing=spoken, things=many)
    every = list(_arguments(attributes))
    count = rng.randint(2, len(every)) if wanted == "most" else rng.randint(1, 4) if wanted == "few" else 0
    chosen = rng.sample(every, min(count, len(every)))
    if rng.random() < 0.6:
        chosen.sort(key=every.index)
    sure = rng.randint(1, len(chosen)) if chosen else 0
    given = [{**one, "optional": "" if at < sure and not handle else "?"} for at, one in enumerate(chosen)]
    if handle:
        kind = rng.choice(("s", "i"))
        given.insert(0, *_arguments(f"{thing}_id:{kind}"))
    if rng.random() < 0.35:
        extra = _arguments(rng.choice(_EXTRAS))[0]
        if extra["name"] not in {one["name"] for one in given}:
            given.append(extra)
    return _build(
        [deed, *(many if "{things}" in about or many in about else thing).replace(" ", "_").split("_")],
        "",
        about,
        given,
        (),
        rng,
        spoken,
    )


def _build(
    words: list[str], prefix: str, about: str, given: list, asks: tuple[str, ...], rng: random.Random, thing: str
) -> Target:
    style = rng.choices(("snake", "camel", "pascal", "kebab"), (70, 18, 8, 4))[0]
    name = _cased(words, style)
    if prefix:
        name = f"{prefix}{rng.choice(('.', '_', '.'))}{name}"
    taken: set[str] = set()
    properties: dict[str, Any] = {}
    required, renames = [], {}
    if rng.random() < 0.12:
        given = rng.sample(given, len(given))
    terse = rng.random()
    for one in given:
        label = one["name"]
        if label in _RENAMED and rng.random() < 0.35:
            label = rng.choice(_RENAMED[label])
        label = label if label not in taken else one["name"]
        if label in taken:
            continue
        taken.add(label)
        label = _cased(label.split("_"), "camel" if style in ("camel", "pascal") else "snake")
        renames[one["name"]] = label
        properties[label] = _schema(one, label, thing or about, rng, terse)
        if not one["optional"]:
            required.append(label)
    asks = tuple(re.sub(r"{(\w+)}", lambda match: "{" + renames.get(match[1], match[1]) + "}", ask) for ask in asks)
    if rng.random() < 0.3 and not thing:
        needed = [words_of(label) for label in required]
        if needed and len(needed) < 4:
            about += (
                rng.choice((" given its ", " based on the ", " from the ", " using the ")) + " and ".join(needed)
                if len(needed) < 3
                else ""
            )
    parameters = {"type": "object", "properties": properties, "required": required}
    if not required and rng.random() < 0.5:
        del parameters["required"]
    tool = {"name": name, "description": about + rng.choice(("", ".", ".")), "parameters": parameters}
    return Target(tool, asks)


def _cased(words: list[str], style: str) -> str:
    words = [word for word in words if word]
    if style == "snake":
        return "_".join(words)
    if style == "kebab":
        return "-".join(words)
    camel = "".join(word[:1].upper() + word[1:] for word in words)
    return camel if style == "pascal" else camel[:1].lower() + camel[1:]


def _schema(one: dict[str, str], label: str, about: str, rng: random.Random, terse: float) -> dict[str, Any]:
    """The JSON Schema of one argument of the list."""
    kind, unit = one["type"], one["unit"].replace("_", " ")
    if kind.startswith("["):
        inner = {**one, "type": kind[1:-1], "about": "", "unit": ""}
        schema: dict[str, Any] = {"type": "array", "items": _schema(inner, "", about, rng, 1)}
    elif kind.startswith("("):
        members = kind[1:-1].split("/")
        if kind in ("(km/s/m/s)", "(g/mol/kg/mol)", "(g/cm3/kg/m3)"):
            members = {
                "(km/s/m/s)": ["km/s", "m/s"],
                "(g/mol/kg/mol)": ["g/mol", "kg/mol"],
                "(g/cm3/kg/m3)": ["g/cm3", "kg/m3"],
            }[kind]
        if rng.random() < 0.08 and all(member.isalpha() for member in members):
            members = [member.upper() for member in members]
        schema = {"type": "string", "enum": members}
    elif kind.startswith("{"):
        parts = _arguments(kind[1:-1].replace(",", " "))
        schema = {
            "type": "object",
            "properties": {part["name"]: _schema(part, part["name"], about, rng, 0.2) for part in parts},
            "required": [part["name"] for part in parts if not part["optional"]],
        }
    else:
        schema = {"type": _KINDS[kind]}
        if kind == "i" and rng.random() < 0.06:
            schema["minimum"] = rng.choice((0, 1))
    if not label or terse < 0.06:
        return schema
    noun = words_of(label)
    spoken = one["about"].replace("_", " ") if one["about"] not in _UNITS else ""
    text = ""
    if spoken:
        text = ("The " if rng.random() < 0.4 and kind != "b" and not spoken.startswith("what") else "") + spoken
    elif kind == "b":
        text = _about_switch(one["name"], rng)
    else:
        of = re.search(r" of (an? [a-z]+(?: [a-z]+)?)$", about)
        text = rng.choice(
            (
                f"the {noun}",
                f"{noun}",
                f"{noun} to use",
                f"the {noun}"
                + (f" of {of[1].replace('an ', 'the ').replace('a ', 'the ', 1)}" if of and kind in "in" else ""),
            )
        )
    if kind == "s" and one["name"] in ("location", "city", "place", "origin", "destination") and rng.random() < 0.3:
        wide, table = rng.choice((("state", "city_state"), ("state", "city_state"), ("country", "city_country")))
        shown = ", ".join(rng.choice(WORDS[table]).split("/")[:2])
        text = rng.choice((f"the city and {wide}, e.g. {shown}", f"{text} (city, {wide}), such as '{shown}'"))
    if one["name"] == "unit" and kind == "s":
        shown = rng.choice(_UNITS.get(one["about"], ("cm", "kg", "miles")))
        text = rng.choice(("unit of measurement", "the unit", "unit of the given values", "unit of measure"))
        text += rng.choice((f", e.g. {shown}", f" (e.g. '{shown}')", "", f", such as '{shown}'. Default is {shown}"))
    if unit:
        text += f" in {unit}" if rng.random() < 0.8 else f" ({unit})"
    if kind == "d":
        form = rng.choices(("YYYY-MM-DD", "MM/DD/YYYY", "DD-MM-YYYY", ""), (60, 6, 4, 30))[0]
        text += rng.choice((f", in the form {form}", f" ({form})", f" in {form} format")) if form else ""
        if form in ("YYYY-MM-DD", "") and rng.random() < 0.4:
            schema["format"] = "date"
    if kind.startswith("(") and rng.random() < 0.4:
        text += ": " + ", ".join(schema["enum"])
    if one["optional"] and rng.random() < 0.2:
        text += " (optional)"
    schema["description"] = text[0].upper() + text[1:] + rng.choice(("", "", "."))
    return schema


def _about_switch(name: str, rng: random.Random) -> str:
    words = name.split("_")
    if words[0] in ("include", "keep", "skip", "avoid", "ignore", "start", "notify", "compress", "overwrite",
    "shuffle", "normalize", "reverse", "repeat",
                    "refund", "log", "cache", "mop", "rotate", "translate", "round"):  # fmt: skip
        return f"{rng.choice(('Whether to', 'If true,', 'Set to true to'))} {' '.join(words)}"
    return rng.choice(
        (f"{' '.join(words)} or not", f"whether {' '.join(words)}", f"{' '.join(words)} flag", " ".join(words))
    )
