# ruff: noqa: E501 (one row of a bank stays on one line)
"""Word banks for the instruction templates: categories with members, facts, and rows of words."""

from __future__ import annotations

CATEGORIES: dict[str, tuple[str, ...]] = {
    "fruits": ("apple", "banana", "cherry", "grape", "lemon", "mango", "orange", "peach", "pear", "plum", "kiwi", "melon"),
    "vegetables": ("carrot", "potato", "onion", "tomato", "spinach", "cabbage", "pea", "bean", "leek", "pepper", "garlic"),
    "animals": ("dog", "cat", "horse", "cow", "lion", "tiger", "bear", "wolf", "fox", "rabbit", "elephant", "sheep"),
    "farm animals": ("cow", "pig", "sheep", "goat", "hen", "horse", "duck", "donkey", "goose", "turkey"),
    "birds": ("eagle", "owl", "robin", "sparrow", "crow", "swan", "duck", "parrot", "pigeon", "falcon", "heron"),
    "fish": ("salmon", "tuna", "trout", "cod", "shark", "herring", "carp", "eel", "pike", "perch"),
    "insects": ("ant", "bee", "beetle", "butterfly", "moth", "fly", "wasp", "cricket", "ladybird"),
    "colours": ("red", "blue", "green", "yellow", "orange", "purple", "black", "white", "brown", "pink", "grey"),
    "colors": ("red", "blue", "green", "yellow", "orange", "purple", "black", "white", "brown", "pink", "gray"),
    "countries": ("France", "Spain", "Italy", "Japan", "Brazil", "Canada", "Egypt", "India", "Kenya", "Norway", "Peru"),
    "countries in Europe": ("France", "Spain", "Italy", "Germany", "Poland", "Norway", "Greece", "Portugal", "Austria"),
    "capital cities": ("Paris", "London", "Rome", "Madrid", "Berlin", "Tokyo", "Cairo", "Oslo", "Vienna", "Lima"),
    "cities": ("Paris", "London", "Rome", "New York", "Berlin", "Tokyo", "Sydney", "Oslo", "Vienna", "Chicago"),
    "planets": ("Mercury", "Venus", "Earth", "Mars", "Jupiter", "Saturn", "Uranus", "Neptune"),
    "musical instruments": ("piano", "guitar", "violin", "flute", "drum", "trumpet", "cello", "harp", "clarinet"),
    "sports": ("football", "tennis", "swimming", "running", "rowing", "boxing", "hockey", "cycling", "golf", "skiing"),
    "flowers": ("rose", "tulip", "daisy", "lily", "violet", "sunflower", "orchid", "poppy", "iris"),
    "trees": ("oak", "pine", "birch", "maple", "willow", "ash", "elm", "cedar", "fir", "beech"),
    "drinks": ("water", "tea", "coffee", "milk", "juice", "lemonade", "cocoa", "cider", "soda"),
    "kitchen tools": ("knife", "spoon", "pan", "pot", "whisk", "grater", "bowl", "ladle", "peeler"),
    "tools": ("hammer", "saw", "drill", "pliers", "wrench", "screwdriver", "chisel", "file", "axe"),
    "pieces of furniture": ("table", "chair", "bed", "sofa", "desk", "shelf", "wardrobe", "bench", "stool"),
    "items of clothing": ("shirt", "hat", "coat", "sock", "shoe", "scarf", "glove", "dress", "skirt", "belt"),
    "programming languages": ("Python", "Java", "C", "Rust", "Go", "Ruby", "Swift", "Kotlin", "Perl", "Haskell"),
    "school subjects": ("maths", "history", "biology", "music", "art", "physics", "chemistry", "geography"),
    "jobs": ("teacher", "doctor", "nurse", "baker", "farmer", "pilot", "cook", "lawyer", "painter", "driver"),
    "vehicles": ("car", "bus", "train", "bicycle", "truck", "plane", "boat", "tram", "ship", "van"),
    "metals": ("iron", "gold", "silver", "copper", "tin", "zinc", "lead", "nickel", "aluminium"),
    "parts of the body": ("head", "arm", "leg", "hand", "foot", "eye", "ear", "nose", "back", "knee"),
    "feelings": ("joy", "anger", "fear", "love", "hope", "pride", "sadness", "surprise", "calm"),
    "shapes": ("circle", "square", "triangle", "rectangle", "oval", "star", "hexagon", "cube"),
    "months": ("January", "February", "March", "April", "May", "June", "July", "August", "September"),
    "things in an office": ("desk", "chair", "lamp", "printer", "pen", "phone", "paper", "computer", "clock"),
    "healthy habits": ("sleep well", "drink water", "walk every day", "eat fruit", "rest often", "read a book", "stretch"),
    "ways to save energy": ("turn off the lights", "use less hot water", "close the windows", "wear a jumper", "dry clothes outside", "walk instead of driving"),
    "tips for learning a language": ("practise every day", "read simple books", "listen to songs", "speak with friends", "write short notes", "repeat new words"),
    "things to pack for a trip": ("passport", "toothbrush", "shirt", "shoes", "book", "map", "water", "jacket", "camera"),
    "things to do on a rainy day": ("read a book", "bake a cake", "play a game", "watch a film", "write a letter", "draw a picture"),
}  # fmt: skip
STEPS: dict[str, tuple[str, ...]] = {
    "make tea": ("Boil the water.", "Put a tea bag in a cup.", "Pour the water into the cup.", "Wait for three minutes.", "Take out the tea bag.", "Enjoy your tea."),
    "make a sandwich": ("Take two slices of bread.", "Spread butter on them.", "Add cheese and tomato.", "Put the slices together.", "Cut the sandwich in half."),
    "plant a tree": ("Choose a sunny place.", "Dig a deep hole.", "Put the tree into the hole.", "Fill the hole with soil.", "Water the tree well."),
    "wash the dishes": ("Fill the sink with hot water.", "Add some soap.", "Wash each dish with a sponge.", "Rinse the dishes.", "Dry them with a towel."),
    "boil an egg": ("Fill a pot with water.", "Put the egg into the pot.", "Boil the water.", "Wait for eight minutes.", "Cool the egg in cold water."),
    "brush your teeth": ("Take your toothbrush.", "Put some toothpaste on it.", "Brush for two minutes.", "Spit out the foam.", "Rinse your mouth."),
    "write a letter": ("Take a sheet of paper.", "Write the date.", "Greet the reader.", "Write your message.", "Sign your name."),
    "paint a wall": ("Cover the floor.", "Clean the wall.", "Open the paint.", "Paint from top to bottom.", "Let the wall dry."),
    "borrow a book": ("Go to the library.", "Look for the book.", "Take it to the desk.", "Show your card.", "Bring it back in time."),
}  # fmt: skip
FACTS: dict[str, tuple[tuple[str, str], ...]] = {
    "What is the capital of {}?": (("France", "Paris"), ("Spain", "Madrid"), ("Italy", "Rome"), ("Germany", "Berlin"), ("Japan", "Tokyo"), ("Egypt", "Cairo"), ("Norway", "Oslo"), ("Austria", "Vienna"), ("Peru", "Lima"), ("Greece", "Athens"), ("Poland", "Warsaw"), ("Portugal", "Lisbon"), ("Russia", "Moscow"), ("Ireland", "Dublin")),
    "What is the opposite of {}?": (("hot", "cold"), ("big", "small"), ("fast", "slow"), ("day", "night"), ("up", "down"), ("happy", "sad"), ("old", "young"), ("full", "empty"), ("early", "late"), ("hard", "soft"), ("light", "dark"), ("open", "closed"), ("rich", "poor"), ("strong", "weak"), ("wet", "dry")),
    "What colour is {}?": (("grass", "green"), ("snow", "white"), ("a ripe banana", "yellow"), ("coal", "black"), ("a clear sky", "blue"), ("blood", "red"), ("chocolate", "brown"), ("a carrot", "orange")),
    "What is the plural of '{}'?": (("mouse", "mice"), ("child", "children"), ("foot", "feet"), ("tooth", "teeth"), ("man", "men"), ("goose", "geese"), ("leaf", "leaves"), ("box", "boxes"), ("city", "cities"), ("book", "books")),
    "Which animal says {}?": (("meow", "cat"), ("woof", "dog"), ("moo", "cow"), ("quack", "duck"), ("neigh", "horse"), ("oink", "pig"), ("baa", "sheep")),
    "What is the past tense of '{}'?": (("go", "went"), ("see", "saw"), ("eat", "ate"), ("run", "ran"), ("take", "took"), ("write", "wrote"), ("sing", "sang"), ("walk", "walked"), ("give", "gave"), ("know", "knew")),
}  # fmt: skip
YES_NO: tuple[tuple[str, str], ...] = (
    ("Is the sun a star?", "yes"), ("Is ice hot?", "no"), ("Can birds fly?", "yes"), ("Can fish walk?", "no"),
    ("Is a whale a fish?", "no"), ("Is water wet?", "yes"), ("Is Paris in France?", "yes"), ("Is Tokyo in Italy?", "no"),
    ("Is 7 an odd number?", "yes"), ("Is 9 an even number?", "no"), ("Is snow white?", "yes"), ("Is fire cold?", "no"),
    ("Do cows give milk?", "yes"), ("Does the moon shine at night?", "yes"), ("Is a spider an insect?", "no"),
    ("Is 10 greater than 3?", "yes"), ("Is 4 greater than 8?", "no"), ("Does a week have seven days?", "yes"),
)  # fmt: skip
SENTIMENTS: tuple[tuple[str, str], ...] = (
    ("I love this {}.", "positive"), ("This {} is wonderful.", "positive"), ("What a great {}!", "positive"), ("The {} made me happy.", "positive"), ("The best {} I have ever seen.", "positive"),
    ("I hate this {}.", "negative"), ("This {} is terrible.", "negative"), ("What an awful {}!", "negative"), ("The {} broke after one day.", "negative"), ("The worst {} I have ever seen.", "negative"),
)  # fmt: skip
REVIEWED = (
    "film",
    "book",
    "phone",
    "meal",
    "hotel",
    "game",
    "song",
    "car",
    "lamp",
    "coat",
    "cake",
    "show",
)
SUBJECTS = (
    "dogs", "cats", "tea", "coffee", "trains", "books", "music", "sleep", "friends", "gardens",
    "bread", "computers", "rain", "the sun", "bicycles", "schools", "trees", "winter", "summer",
    "water", "time", "home", "games", "birds", "cooking", "walking", "reading", "maps", "money",
)  # fmt: skip
SUBJECT_SENTENCES = (
    "I like {} very much.", "Many people enjoy {}.", "We should talk more about {}.", "I learned about {} at school.",
    "My family cares a lot about {}.", "There are many stories about {}.", "I could not live without {}.", "Some people never think about {}.",
    "Everyone knows something about {}.", "You can find {} almost everywhere.", "Life would be different without {}.", "I wrote a short text about {}.",
)  # fmt: skip
JSON_VALUES: dict[str, tuple[str | int | bool, ...]] = {
    "name": ("Anna", "Tom", "Maria", "Ben", "Lily"), "age": (23, 31, 42, 57, 8), "city": ("Paris", "Oslo", "Rome", "Berlin"),
    "country": ("France", "Spain", "Japan"), "email": ("anna@example.com", "tom@example.com"), "title": ("The Old House", "Blue River", "Night Train"),
    "author": ("Clara Stone", "Hugo Hill", "Nina Wood"), "year": (1984, 1999, 2012, 2020), "price": (5, 12, 20, 99), "colour": ("red", "blue", "green"),
    "color": ("red", "blue", "green"), "size": ("small", "medium", "large"), "active": (True, False), "id": (1, 7, 42), "language": ("English", "French", "Spanish"),
    "job": ("teacher", "baker", "pilot"), "height": (160, 175, 182), "weight": (55, 70, 82), "product": ("lamp", "chair", "phone"), "quantity": (1, 3, 10),
    "genre": ("drama", "comedy", "mystery"), "pages": (120, 250, 310), "rating": (3, 4, 5), "date": ("2024-05-01", "2023-11-20"), "status": ("open", "closed", "done"),
    "brand": ("Nova", "Orion", "Delta"), "model": ("A1", "X5", "T100"), "temperature": (12, 20, 31), "humidity": (40, 55, 80), "available": (True, False),
}  # fmt: skip
