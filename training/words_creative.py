# ruff: noqa: E501 (one row of a bank stays on one line)
"""Word and sentence banks for the creative templates. `{topic}` and the like are slots."""

from __future__ import annotations

TOPICS = (
    "the sea", "the forest", "the moon", "the rain", "the desert", "the mountains", "the river",
    "the city", "the snow", "the wind", "the garden", "the night", "the morning", "the old house",
    "the lake", "the island", "the village", "the harbour", "the market", "the library",
    "the train station", "the lighthouse", "the storm", "the beach", "the valley", "the castle",
    "the kitchen", "the school", "the bridge", "the meadow", "the winter", "the summer",
    "the autumn", "the spring", "the sunset", "the farm", "the museum", "the railway", "the sky",
    "the first day of school", "a quiet street", "a summer evening", "a cold winter day",
    "a small town", "a rainy afternoon", "a busy kitchen", "an empty beach", "a train journey",
    "a walk in the park", "a foggy morning", "a long journey", "a birthday party",
)  # fmt: skip
TOPIC_SENTENCES = (
    "{Topic} is {adjective} {time}.",
    "{Topic} has its own {sense}.",
    "I often think of {topic} {time}.",
    "Many people love {topic} because it is {adjective}.",
    "{Time}, {topic} seems {adjective} and {adjective2}.",
    "Nothing is as {adjective} as {topic} {time}.",
    "A {adjective} light falls over {topic} {time}.",
    "Children remember {topic} long after they are grown.",
    "The {sense} of {topic} brings back old memories.",
    "You can hear {noise} {time}.",
    "Somewhere {noise} breaks the silence.",
    "{Topic} changes a little every day.",
    "When I close my eyes, I can still see {topic}.",
    "There is always something new to find in {topic}.",
    "The air is {adjective} and smells of {smell}.",
    "It smells of {smell} and {smell2}.",
    "Everything about {topic} feels {adjective} {time}.",
    "{Topic} teaches us to be patient.",
    "No two people see {topic} in the same way.",
    "Old stories about {topic} are told {time}.",
    "Even the {noise_maker} seem {adjective} {time}.",
    "Slowly, {topic} becomes {adjective}.",
    "I would like to stay here for a long time.",
    "Time passes slowly here.",
)
ADJECTIVES = (
    "quiet", "beautiful", "cold", "warm", "bright", "dark", "gentle", "wild", "calm", "strange",
    "lonely", "peaceful", "soft", "golden", "silver", "still", "deep", "clear", "grey", "green",
    "mysterious", "friendly", "empty", "restless", "fresh",
)  # fmt: skip
TIMES = (
    "in the morning", "at night", "in the evening", "at dawn", "after the rain", "in winter",
    "in summer", "at noon", "in the early light", "before the storm", "when the day ends",
    "under the stars", "in the afternoon", "at sunset",
)  # fmt: skip
SENSES = ("smell", "sound", "colour", "silence", "music", "light", "rhythm", "magic", "taste")
NOISES = (
    "a distant bell", "the call of a bird", "the sound of water", "a soft song", "a dog barking",
    "the wind in the leaves", "the steps of a stranger", "a child laughing", "an old clock",
)  # fmt: skip
NOISE_MAKERS = ("birds", "trees", "stones", "clouds", "people", "houses", "shadows", "stars")
SMELLS = (
    "salt", "wet leaves", "bread", "flowers", "smoke", "coffee", "grass", "old wood", "apples",
    "rain", "honey", "dust",
)  # fmt: skip

NAMES = (
    "Mira", "Tom", "Elena", "Jonas", "Lily", "Oscar", "Ruth", "Felix", "Nora", "Max", "Ada",
    "Theo", "Clara", "Ivan", "June", "Milo", "Sara", "Hugo", "Rosa", "Arthur",
)  # fmt: skip
CHARACTERS = (
    "robot", "dragon", "cat", "dog", "fox", "wizard", "sailor", "painter", "baker", "astronaut",
    "farmer", "pirate", "librarian", "teacher", "knight", "princess", "detective", "gardener",
    "musician", "ghost", "mouse", "owl", "bear", "inventor", "clockmaker", "fisherman", "nurse",
    "postman", "queen", "turtle", "dancer", "cook", "rabbit", "elephant", "shepherd", "giant",
    "tailor", "king", "witch", "whale", "snowman", "carpenter", "pilot", "explorer",
)  # fmt: skip
GOALS = (
    ("finds a hidden door", "found a hidden door behind the old wall", "the door"),
    ("learns to sing", "wanted to learn to sing", "the song"),
    ("loses a key", "lost a small silver key", "the key"),
    ("wants to fly", "dreamed of flying over the hills", "the sky"),
    ("makes a new friend", "wanted to make a new friend", "the friend"),
    ("is afraid of the dark", "was afraid of the dark", "the darkness"),
    ("builds a boat", "began to build a boat from old wood", "the boat"),
    ("discovers a map", "discovered a map in a dusty box", "the map"),
    ("gets lost in a storm", "got lost in a terrible storm", "the storm"),
    ("saves a village", "heard that the village was in danger", "the village"),
    ("plants a magic seed", "planted a strange seed in the garden", "the seed"),
    ("meets a stranger", "met a stranger on the road", "the stranger"),
    ("finds an old letter", "found an old letter under the floor", "the letter"),
    ("learns to paint", "bought a brush and began to paint", "the picture"),
    ("travels to the moon", "decided to travel to the moon", "the moon"),
    ("wants to go home", "wanted nothing more than to go home", "the way home"),
    ("wins a race", "entered the great race of the town", "the race"),
    ("keeps a secret", "kept a secret that nobody knew", "the secret"),
)
STORY_HOMES = (
    "in a small house by the sea", "at the edge of a forest", "in a busy city", "on a high hill",
    "near a quiet lake", "in a village between two rivers", "on a lonely island", "in an old tower",
    "at the end of a long road", "under a wide blue sky",
)  # fmt: skip
STORY_MIDDLES = (
    "Every morning {name} thought about {thing}.",
    "At first nothing went well, and {name} was sad.",
    "The neighbours laughed, but {name} did not give up.",
    "One night a {adjective} light appeared outside the window.",
    "{Name} took a deep breath and walked on.",
    "An old {other} gave {name} some good advice.",
    "Together with a little {other}, {name} tried again.",
    "{Name} waited until the moon was high.",
    "It took three long days and three {adjective} nights.",
    "Nobody believed that it was possible.",
    "{Name} remembered what an old {other} had said about {thing}.",
    "Then, all at once, everything became {adjective}.",
    "The way was {adjective} and full of danger.",
    "A {adjective} wind blew, and {name} felt very small.",
    "For the first time, {name} was not afraid.",
    "{Name} looked at {thing} and smiled.",
    '"I can do this," said {name}.',
    '"Do not worry," said the {other}.',
)
STORY_ENDS = (
    "In the end, {name} understood that courage was all it took.",
    "From that day on, {name} was never alone again.",
    "And so {name} came home with a happy heart.",
    "Everyone in the village still tells the story of {name} and {thing}.",
    "That night the {character} slept better than ever before.",
    "At last {name} was happy.",
    "Years later, {name} still remembered {thing}.",
)
COUPLETS = (
    ("{Topic} is calling in the light,", "and all the stars are shining bright."),
    ("The day is done, the birds are still,", "and evening comes across the hill."),
    ("I walk alone and hear the sea,", "the wind is singing just for me."),
    ("A gentle song is in the air,", "I look around and you are there."),
    ("The leaves are falling, gold and red,", "and dreams are dancing in my head."),
    ("I think of {topic} when I sleep,", "its silence beautiful and deep."),
    ("The morning rises, soft and slow,", "and all the little rivers flow."),
    ("Oh, show me {topic} once again,", "in golden sun or silver rain."),
    ("The clouds are drifting, white and high,", "like little boats across the sky."),
    ("I hold a memory in my hand,", "a quiet stone, a grain of sand."),
    ("The night is long, the moon is cold,", "and {topic} whispers tales of old."),
    ("So let us rest and let us stay,", "until the night becomes the day."),
    ("A little bird begins to sing,", "and tells the world about the spring."),
    ("My heart is light, my road is long,", "and {topic} gives me back my song."),
)
HAIKU_LINES = (
    ("An old silent pond", "The first light of day", "Snow on the dark pines", "A soft autumn wind", "Rain on the dry leaves", "The moon in the lake", "One leaf on the path", "Cold stars in the sky"),
    ("the wind moves over the grass", "a small bird begins to sing", "nobody walks on the road", "a shadow crosses the wall", "the river carries the light", "I listen and do not speak", "the night is longer than sleep"),
    ("and the world is still.", "then silence again.", "morning will come soon.", "the day fades away.", "a quiet goodbye.", "spring is not far now.", "only the wind stays."),
)  # fmt: skip
WANTED_WORDS = (
    "river", "moon", "lantern", "stone", "shadow", "window", "garden", "silver", "whisper", "bread",
    "mirror", "candle", "feather", "winter", "music", "letter", "bridge", "clock", "ocean", "apple",
)  # fmt: skip
WORD_SENTENCES = (
    "On the table lay the {word}.",
    "Nobody had seen the {word} before.",
    "It reminded everyone of the {word}.",
    "Far away was the {word}.",
    "A dream about the {word} came that night.",
    "The word on the wall was {word}.",
)
NUMBER_WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}
SENTENCE_DEMANDS = (
    "Write exactly {n} sentences.",
    "Use exactly {n} sentences.",
    "It must have exactly {n} sentences.",
    "Answer in exactly {n} sentences.",
    "Keep it to exactly {n} sentences.",
)
