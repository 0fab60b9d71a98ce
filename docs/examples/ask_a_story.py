"""
Ask about a story, and see the sentences behind the answer
==========================================================

A memory network (Sukhbaatar et al. 2015) reads a story, a sentence for each row of its memory, and
answers questions about it. It looks at the sentences several times, and what it looked at is there
to be seen. The machine comes from the zoo: it was trained on stories that a small simulation tells,
in the words of the bAbI tasks.
"""

from tapehead import MemoryNetwork
from tapehead.tasks import make_task
from tapehead.tasks.babi import Question, TextStory, words_of
from tapehead.viewing import save
from tapehead.viewing.problems import read_story
from tapehead.viewing.stories import story_figure

machine = MemoryNetwork.from_pretrained("memory-network/babi-1")
task = make_task("babi", task="1", generated=True)

# %%
# A story of our own
# ------------------
# The machine knows the people, the places and the verbs of its task, and no other words. A question
# says how many sentences were told before it. John moves twice, so only the later sentence counts.

sentences = [
    "John went to the kitchen.",
    "Mary moved to the garden.",
    "Sandra journeyed to the office.",
    "John travelled to the bathroom.",
    "Daniel went back to the hallway.",
    "Mary went to the bedroom.",
]
told = tuple(words_of(sentence) for sentence in sentences)
story = TextStory(
    told,
    (
        Question(words_of("Where is John?"), "bathroom", known=6, supporting=(3,)),
        Question(words_of("Where is Mary?"), "garden", known=4, supporting=(1,)),
    ),
)

for number in range(2):
    reading = read_story(machine, task, story, number)
    print(f"{reading.question} {reading.said}, {reading.chance:.0%} sure")

# %%
# Where it looked
# ---------------
# Each column is a look at the memory, a *hop*. Dark is much. The dot marks the sentence on which
# the right answer rests; the machine was never told which one that is.

figure = story_figure(read_story(machine, task, story, 0), title="After six sentences")
save(figure, "ask_a_story.png")
figure

# %%
# The same story, asked two sentences earlier about Mary. What comes later is not known yet.

figure = story_figure(read_story(machine, task, story, 1), title="After four sentences")
save(figure, "ask_a_story_earlier.png")
figure

# %%
# In a terminal, ``tapehead ask memory-network/babi-1`` lets you type a story and ask.
