"""bAbI: stories and questions (Weston et al. 2015)."""

from tapehead.tasks.babi.babi import BAbI
from tapehead.tasks.babi.text import MalformedLine, Question, TextStory, parse, words_of
from tapehead.tasks.babi.words import BAbIWords

__all__ = ["BAbI", "BAbIWords", "MalformedLine", "Question", "TextStory", "parse", "words_of"]
